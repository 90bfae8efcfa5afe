use super::*;

const END: OutputStep = OutputStep::End { digest: None };

fn id(round: u32, rank: u32) -> OutputId {
    OutputId { round, rank, stream: TaskStream::Output }
}

#[test]
fn standard_error_has_a_file_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), 1, false).unwrap();
    let errors = OutputId { stream: TaskStream::Errors, ..id(1, 3) };
    store.take(id(1, 3), "vm", &OutputStep::Bytes(b"out".to_vec())).unwrap();
    store.take(errors, "vm", &OutputStep::Bytes(b"err".to_vec())).unwrap();
    store.take(errors, "vm", &OutputStep::Cut).unwrap();
    store.take(id(1, 3), "vm", &END).unwrap();
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!((read("3-vm.out"), read("3-vm.err.cut")), ("out".to_owned(), "err".to_owned()));
    assert_eq!(store.file(errors), Some(dir.path().join("3-vm.err.cut").as_path()));
}

#[test]
fn a_file_has_its_final_name_only_when_it_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(&dir.path().join("new/outputs"), 1, false).unwrap();
    let path = dir.path().join("new/outputs/3-vm_x.out");
    store.take(id(1, 3), "vm/x", &OutputStep::Bytes(b"one".to_vec())).unwrap();
    assert!(!path.exists() && store.file(id(1, 3)).is_none());
    store.take(id(1, 3), "vm/x", &OutputStep::Bytes(b" two".to_vec())).unwrap();
    store.take(id(1, 3), "vm/x", &END).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "one two");
    assert_eq!(store.file(id(1, 3)), Some(path.as_path()));
}

#[test]
fn an_abandoned_or_unfinished_output_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), 2, false).unwrap();
    store.take(id(2, 0), "vm", &OutputStep::Bytes(b"one".to_vec())).unwrap();
    store.take(id(2, 0), "vm", &OutputStep::Abandon).unwrap();
    store.take(id(2, 1), "vm", &OutputStep::Bytes(b"one".to_vec())).unwrap();
    drop(store);
    assert_eq!(fs::read_dir(dir.path().join("round-2")).unwrap().count(), 0);
}

#[test]
fn a_cut_output_does_not_have_the_name_of_a_complete_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), 1, false).unwrap();
    store.take(id(1, 0), "vm", &OutputStep::Bytes(b"first".to_vec())).unwrap();
    store.take(id(1, 0), "vm", &OutputStep::Cut).unwrap();
    let cut = dir.path().join("0-vm.out.cut");
    assert_eq!((fs::read(&cut).unwrap(), store.file(id(1, 0))), (b"first".to_vec(), Some(cut.as_path())));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn an_empty_output_is_an_empty_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), 1, false).unwrap();
    store.take(id(1, 0), "..", &END).unwrap();
    assert_eq!(fs::read(dir.path().join("0-...out")).unwrap(), b"");
}

#[test]
fn a_slave_name_of_any_length_fits_into_a_file_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), 1, false).unwrap();
    store.take(id(1, 4_000_000_000), &"漢".repeat(500), &END).unwrap();
    assert!(store.file(id(1, 4_000_000_000)).unwrap().exists());
}

#[test]
fn an_existing_link_or_pipe_is_neither_followed_nor_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let victim = dir.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, dir.path().join("0-vm.out.part")).unwrap();
    let status = std::process::Command::new("mkfifo").arg(dir.path().join("1-vm.out.part")).status().unwrap();
    assert!(status.success());
    fs::create_dir(dir.path().join("2-vm.out")).unwrap();
    let mut store = Store::open(dir.path(), 1, false).unwrap();
    for rank in [0, 1] {
        store.take(id(1, rank), "vm", &OutputStep::Bytes(b"new".to_vec())).unwrap();
        store.take(id(1, rank), "vm", &END).unwrap();
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    let error = store.take(id(1, 2), "vm", &END).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IsADirectory);
    std::os::unix::fs::symlink("/tmp", dir.path().join("round-1")).unwrap();
    let error = Store::open(dir.path(), 2, true).unwrap().take(id(1, 0), "vm", &END).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotADirectory);
}

#[test]
fn the_error_for_a_path_that_is_not_a_directory_names_the_path() {
    let error = Store::open(Path::new("/dev/null/x"), 1, false).unwrap_err().to_string();
    assert!(error.contains("/dev/null/x"), "{error}");
}
