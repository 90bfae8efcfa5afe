use std::io::Write;

use synexec_proto::message::Features;
use synexec_proto::wire::FrameDecoder;

use super::*;

const SESSION: SessionId = SessionId(4);

fn open(content: &[u8]) -> Result<ConfFile, ConfFileError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    ConfFile::open(file.path())
}

fn problem(content: &[u8]) -> String {
    open(content).unwrap_err().to_string()
}

fn decode(bytes: &[u8]) -> Vec<Message> {
    let mut decoder = FrameDecoder::new(SESSION, DATA_MAX);
    decoder.feed(bytes);
    std::iter::from_fn(|| decoder.next_frame().unwrap())
        .map(|frame| Message::decode(frame, Features::ours()).unwrap())
        .collect()
}

#[test]
fn the_error_of_a_wrong_conf_names_its_path() {
    assert!(problem(b"").contains("empty"));
    assert!(problem(b"\npayload").contains("first line is empty"));
    assert!(problem(b"echo x").contains("without a path"));
    assert!(problem(b"\xef\xbb\xbf/bin/true\n").contains("byte order mark"));
    assert!(problem(b":CONF:\n#!/bin/sh\r\n").contains("carriage return (`\\r`"));
    assert!(ConfFile::open(Path::new("/usr")).unwrap_err().to_string().contains("/usr: it is a directory"));
    assert!(ConfFile::open(Path::new("/no/such")).unwrap_err().to_string().contains("/no/such"));
}

#[test]
fn a_small_conf_is_one_piece() {
    let conf = open(b"/bin/true\n").unwrap();
    let begin = ConfBegin { rank: 1, slaves: 2, length: conf.length(), ..ConfBegin::default() };
    let expected = [Message::ConfBegin(begin.clone()), Message::ConfPart(b"/bin/true\n".to_vec())];
    let Ok(Outgoing::Bytes(bytes)) = conf.outgoing(SESSION, Some(begin.clone())) else { panic!("bytes") };
    assert_eq!(decode(&bytes), expected);
    let Ok(Outgoing::Bytes(bytes)) = conf.outgoing(SESSION, None) else { panic!("bytes") };
    assert_eq!(decode(&bytes), [Message::Conf(b"/bin/true\n".to_vec())]);
}

#[test]
fn a_large_conf_is_streamed_whole() {
    let content = [b"/bin/sh :CONF:\n".as_slice(), &vec![b'z'; 200_000]].concat();
    let conf = open(&content).unwrap();
    assert_eq!(conf.outgoing(SESSION, None).err(), Some(FrameTooLong(content.len())));
    let begin = ConfBegin { slaves: 1, length: conf.length(), ..ConfBegin::default() };
    let Ok(Outgoing::Stream(mut source)) = conf.outgoing(SESSION, Some(begin.clone())) else { panic!("a stream") };
    let (mut sent, mut piece) = (Vec::new(), Vec::new());
    loop {
        piece.clear();
        source(&mut piece).unwrap();
        if piece.is_empty() {
            break;
        }
        sent.extend_from_slice(&piece);
    }
    let mut messages = decode(&sent).into_iter();
    assert_eq!(messages.next(), Some(Message::ConfBegin(begin)));
    let parts: Vec<u8> =
        messages.flat_map(|message| if let Message::ConfPart(part) = message { part } else { vec![] }).collect();
    assert!(parts == content);
}

#[test]
fn the_payload_is_all_after_the_first_line_break() {
    for (content, payload) in [(&b"/bin/true"[..], 0), (b"/bin/true\n", 0), (b"/bin/sh :CONF:\nabc\n", 4)] {
        assert_eq!(open(content).unwrap().payload_length(), payload);
    }
}

#[test]
fn a_conf_that_shrinks_is_an_error() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(100_000).unwrap();
    assert!(read_part(&file, SESSION, 65_535, 200_000, &mut Vec::new()).is_err());
}
