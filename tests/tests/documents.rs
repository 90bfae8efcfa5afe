//! README and NOTES are short, and the links and paths of all documents are valid.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The most words that a document may have, as `wc -w` counts them.
const LIMITS: [(&str, usize); 2] = [("README.md", 1400), ("NOTES.md", 1200)];

const AT_THE_ROOT: [&str; 4] = ["README.md", "NOTES.md", "CONTRIBUTING.md", "CHANGELOG.md"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Path and text of every document, by its path from the root.
fn documents() -> Result<BTreeMap<PathBuf, String>> {
    let in_docs = fs::read_dir(root().join("docs"))?.map(|entry| Ok(Path::new("docs").join(entry?.file_name())));
    let in_docs = in_docs.filter(|path: &Result<PathBuf>| {
        path.as_ref().map_or(true, |path| path.extension().is_some_and(|extension| extension == "md"))
    });
    let at_root = AT_THE_ROOT.map(|name| Ok(PathBuf::from(name)));
    let with_text = |path: Result<PathBuf>| {
        let path = path?;
        let text = fs::read_to_string(root().join(&path)).with_context(|| path.display().to_string())?;
        Ok((path, text))
    };
    at_root.into_iter().chain(in_docs).map(with_text).collect()
}

/// The lines that are not in a block of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// The targets of all links `[text](target)` to files of this project or headings of the same file.
fn links(text: &str) -> Vec<&str> {
    let after_text = prose(text).flat_map(|line| line.split("](").skip(1));
    after_text.filter_map(|rest| rest.split(')').next()).filter(|target| !target.contains("://")).collect()
}

/// The anchor that a heading gets on GitHub.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The anchors of a document. A heading that repeats another one gets a number.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen = BTreeMap::new();
    let headings = prose(text).filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    headings
        .map(|heading| {
            let anchor = anchor(heading);
            let earlier = seen.entry(anchor.clone()).or_insert(0);
            *earlier += 1;
            if *earlier == 1 { anchor } else { format!("{anchor}-{}", *earlier - 1) }
        })
        .collect()
}

/// The path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut parts = Vec::new();
    for part in path {
        match part.to_str() {
            Some(".") => {}
            Some("..") => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.into_iter().collect()
}

#[test]
fn readme_and_notes_are_short() -> Result<()> {
    let documents = documents()?;
    for (name, limit) in LIMITS {
        let words = documents.get(Path::new(name)).context(name)?.split_whitespace().count();
        assert!(words <= limit, "{name} has {words} words; at most {limit} are allowed");
    }
    Ok(())
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() -> Result<()> {
    let documents = documents()?;
    let mut found = 0;
    for (path, text) in &documents {
        for link in links(text) {
            found += 1;
            let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
            let target = match file {
                "" => path.clone(),
                file => normal(&path.parent().unwrap_or(Path::new("")).join(file)),
            };
            assert!(root().join(&target).exists(), "{}: no file for the link {link}", path.display());
            if let Some(heading) = heading {
                let text = documents.get(&target).with_context(|| format!("{link} has a heading in no document"))?;
                assert!(anchors(text).contains(heading), "{}: no heading for the link {link}", path.display());
            }
        }
    }
    assert!(found > 50, "only {found} links were found");
    Ok(())
}

/// The first words of paths that documents name in code, with folders of the root.
const FOLDERS: [&str; 5] = ["crates/", "dist/", "docs/", "examples/", "tests/"];

/// The paths from the root that a document names in code. A part in capitals stands for any name.
fn paths(text: &str) -> BTreeSet<String> {
    let prose: Vec<_> = prose(text).collect();
    let prose = prose.join("\n");
    let first_words = prose.split('`').skip(1).step_by(2).filter_map(|code| code.split_whitespace().next());
    let is_path = |word: &&str| FOLDERS.iter().any(|folder| word.starts_with(folder));
    first_words.filter(is_path).filter(|path| !path.contains("NAME")).map(str::to_owned).collect()
}

#[test]
fn every_path_that_a_document_names_exists() -> Result<()> {
    let mut found = 0;
    for (document, text) in documents()? {
        if document != Path::new("CHANGELOG.md") {
            for path in paths(&text) {
                found += 1;
                assert!(root().join(&path).exists(), "{} names {path}, which is not there", document.display());
            }
        }
    }
    assert!(found > 50, "only {found} paths were found");
    Ok(())
}

#[test]
fn anchors_are_those_of_github() {
    let text = "# A `b_c` -- d!\n```\n# code\n```\n## Same\n## Same\n";
    let expected = ["a-b_c----d", "same", "same-1"];
    assert_eq!(anchors(text), expected.map(str::to_owned).into());
}
