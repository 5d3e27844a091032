//! Graphs for tests: steps with their parents, as [`template_of`] takes them.
//!
//! [`template_of`]: super::harness::template_of

pub(crate) type Steps = Vec<(String, Vec<String>)>;

/// One step after another.
pub(crate) fn linear(length: usize) -> Steps {
    let parent = |n: usize| n.checked_sub(1).map(|n| format!("step_{n}"));
    (0..length)
        .map(|n| (format!("step_{n}"), parent(n).into_iter().collect()))
        .collect()
}

/// One step, `width` side by side, one step.
pub(crate) fn fan(width: usize) -> Steps {
    let mut steps = vec![("start".to_owned(), vec![])];
    let middle: Vec<String> = (0..width).map(|i| format!("middle_{i}")).collect();
    steps.extend(
        middle
            .iter()
            .map(|name| (name.clone(), vec!["start".to_owned()])),
    );
    steps.push(("join".to_owned(), middle));
    steps
}

/// `width` steps side by side, one step after all of them.
pub(crate) fn fan_in(width: usize) -> Steps {
    let parts: Vec<String> = (0..width).map(|i| format!("part_{i}")).collect();
    let mut steps: Steps = parts.iter().map(|part| (part.clone(), vec![])).collect();
    steps.push(("join".to_owned(), parts));
    steps
}

/// One step, then `count` diamonds, each on the lowest step of the one before.
pub(crate) fn diamonds(count: usize) -> Steps {
    let mut steps = vec![("end_0".to_owned(), vec![])];
    for n in 1..=count {
        let sides = [format!("left_{n}"), format!("right_{n}")];
        let above = format!("end_{}", n - 1);
        steps.extend(sides.clone().map(|side| (side, vec![above.clone()])));
        steps.push((format!("end_{n}"), sides.to_vec()));
    }
    steps
}

/// Layers of `width` steps, each with the three next to it above as parents.
pub(crate) fn layered(layers: usize, width: usize) -> Steps {
    let name = |layer: usize, n: usize| format!("layer_{layer}_{}", n % width);
    let parents = |layer: usize, n: usize| match layer {
        0 => vec![],
        _ => (n..n + 3).map(|n| name(layer - 1, n)).collect(),
    };
    (0..layers * width)
        .map(|at| (at / width, at % width))
        .map(|(layer, n)| (name(layer, n), parents(layer, n)))
        .collect()
}

/// Eight steps: three chains of one, two and three steps between a start and an end.
pub(crate) fn uneven() -> Steps {
    let steps: [(&str, &[&str]); 8] = [
        ("start", &[]),
        ("short", &["start"]),
        ("middle_1", &["start"]),
        ("middle_2", &["middle_1"]),
        ("long_1", &["start"]),
        ("long_2", &["long_1"]),
        ("long_3", &["long_2"]),
        ("end", &["short", "middle_2", "long_3"]),
    ];
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    steps
        .iter()
        .map(|(step, parents)| ((*step).to_owned(), owned(parents)))
        .collect()
}
