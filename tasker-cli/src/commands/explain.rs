//! `tasker explain`: the reason, for every step that is neither running nor done.

use std::fmt::Write as _;

use clap::Args;
use tasker_shared::wire::Explanation;

use super::input::Format;
use crate::failure::{Exit, Failure};
use crate::render::{state_ink, state_word, Ink, Mark, Style};
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Id of the task
    task: i64,
    #[command(flatten)]
    format: Format,
}

pub(crate) async fn run(session: &Session, args: &ExplainArgs) -> Result<Exit, Failure> {
    let explanation = session.client()?.explain(args.task).await?;
    if args.format.json {
        session.out.json(&explanation)?;
    } else {
        session.out.text(&text(&explanation, session.out.style))?;
    }
    Ok(Exit::Ok)
}

/// The explanation for a terminal.
pub(crate) fn text(explanation: &Explanation, style: Style) -> String {
    let state = style.paint(state_ink(explanation.state), state_word(explanation.state));
    let mut text = format!(
        "task {}  {state}\n{}\n",
        explanation.task_id, explanation.summary
    );
    for step in &explanation.steps {
        let mark = Mark::of(step.state, step.phase);
        let word = style.paint(
            mark.ink(),
            &format!("{} {}", mark.glyph(style), mark.word()),
        );
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "\n{}  {word}", style.paint(Ink::Strong, &step.name));
        let _ = writeln!(text, "  {}", step.reason);
        if !step.waiting_on.is_empty() {
            let _ = writeln!(text, "  waits for: {}", step.waiting_on.join(", "));
        }
        if let Some(remedy) = &step.remedy {
            let _ = writeln!(text, "  remedy: {remedy}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use tasker_shared::domain::State;
    use tasker_shared::wire::{StepExplanation, StepPhase};

    use super::*;

    #[test]
    fn each_step_has_its_reason_and_remedy() {
        let explanation = Explanation {
            task_id: 7,
            state: State::InProgress,
            summary: "One step waits for a worker.".to_owned(),
            steps: vec![StepExplanation {
                step_id: 1,
                name: "ship".to_owned(),
                state: State::Pending,
                phase: StepPhase::NoHandler,
                reason: "no live worker has Ship".to_owned(),
                waiting_on: vec![],
                remedy: Some("start a worker with it".to_owned()),
            }],
        };
        assert_eq!(
            text(&explanation, Style::ASCII),
            "task 7  in progress\nOne step waits for a worker.\n\nship  ? no worker has its handler\n  \
             no live worker has Ship\n  remedy: start a worker with it\n"
        );
    }
}
