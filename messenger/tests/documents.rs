//! What the documents say of the interface is what the types say.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::path::{Path, PathBuf};

use sealpost_messenger::api::{ErrorKind, METHODS, openrpc};

#[test]
fn openrpc_document_is_current() {
    let document = serde_json::to_string_pretty(&openrpc()).unwrap() + "\n";
    compare("openrpc.json", &document);
}

#[test]
fn every_method_and_every_error_is_in_the_page_for_bots() {
    let page = fs::read_to_string(path("BOTS.md")).unwrap();
    let methods = METHODS.iter().fold(METHODS_HEAD.to_owned(), |table, method| {
        table + &format!("| `{}` | {} |\n", method.name, one_line(method.about))
    });
    let errors = ErrorKind::ALL.iter().fold(ERRORS_HEAD.to_owned(), |table, kind| {
        let about = one_line(kind.about());
        table + &format!("| {} | {} | {kind:?} | {about} |\n", kind.code(), kind.exit_status())
    });
    let page = with_table(&with_table(&page, "methods", &methods), "errors", &errors);
    compare("BOTS.md", &page);
}

/// The page with this table between its marks.
fn with_table(page: &str, name: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->\n"));
    let (before, rest) = page.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{begin}{table}{end}{after}")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Compares a file in docs with what it should be. Writes it instead if the environment says so.
fn compare(name: &str, expected: &str) {
    let path = path(name);
    if std::env::var_os("SEALPOST_WRITE_DOCUMENTS").is_some() {
        return fs::write(path, expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is not current: run SEALPOST_WRITE_DOCUMENTS=1 cargo test -p sealpost-messenger --test \
         documents",
        path.display()
    );
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

const METHODS_HEAD: &str = "| method | what it does |\n|---|---|\n";
const ERRORS_HEAD: &str = "| code | exit status | name | when |\n|---|---|---|---|\n";
