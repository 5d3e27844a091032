//! The report: a page of Markdown and the plots on it, made of the records of one run
//! and nothing else.

mod experiments;
mod head;
mod loads;
mod targets;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::plots::PLOTS;
use crate::records::Records;

pub(crate) use loads::summary;

/// Below the directory of documents.
const PAGE: &str = "benchmarks.md";
const FOLDER: &str = "benchmarks";
const RECORDS: &str = "benchmarks/records.jsonl";

/// A file of the report: its path below the directory of documents, and its text.
type File = (String, String);

/// Writes records, page and plots; plots of an earlier report that are not in this one
/// go away.
pub(crate) fn write(documents: &Path, records: &Records) -> Result<()> {
    let folder = documents.join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let lines = records.to_lines()?;
    // From the very text that is stored, so that it can be made again from it.
    let files = render(&Records::parse(&lines)?)?;
    for path in plots_in(&folder)? {
        fs::remove_file(path)?;
    }
    for (path, text) in files.into_iter().chain([(RECORDS.to_owned(), lines)]) {
        let path = documents.join(path);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Writes page and plots anew from the records that are there.
pub(crate) fn rewrite(documents: &Path) -> Result<()> {
    write(documents, &read(documents)?)
}

fn read(documents: &Path) -> Result<Records> {
    let path = documents.join(RECORDS);
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Records::parse(&text)
}

fn plots_in(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let paths: Vec<_> = paths.collect::<Result<_>>()?;
    let is_plot = |path: &std::path::PathBuf| path.extension().is_some_and(|end| end == "svg");
    Ok(paths.into_iter().filter(is_plot).collect())
}

/// Page and plots.
fn render(records: &Records) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut page = Page::default();
    for (name, plot) in PLOTS {
        if let Some(svg) = plot(records)? {
            files.push((format!("{FOLDER}/{name}.svg"), svg));
            page.plots.push(name);
        }
    }
    head::write(&mut page, records);
    targets::write(&mut page, records);
    loads::write(&mut page, records);
    experiments::write(&mut page, records);
    files.push((PAGE.to_owned(), page.text));
    Ok(files)
}

/// A page in the making.
#[derive(Default)]
struct Page {
    text: String,
    /// Names of the plots there are.
    plots: Vec<&'static str>,
}

impl Page {
    /// A paragraph, heading or table.
    fn block(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    /// A plot, if there is such a one.
    fn plot(&mut self, name: &str, says: &str) {
        if self.plots.contains(&name) {
            self.block(&format!("![{says}]({FOLDER}/{name}.svg)"));
        }
    }
}

#[cfg(test)]
mod tests;
