use core::time::Duration;

use uxf_codec::ElementHash;
use uxf_engine::bundles::ContentError;
use uxf_replication::bulk::{
    Authorization, BulkError, BulkLimits, BulkStore as _, FetchOptions, KuboNode, PinState,
    check_durable, check_stored, fetch_bundle,
};
use uxf_testkit::http::{Answer, Server};

use crate::node::{Fault, Node};
use crate::samples::{Sample, cid_of, patience};

fn client(node: &Node) -> KuboNode {
    KuboNode::new(&node.server.url(), None, BulkLimits::REFERENCE).unwrap()
}

#[test]
fn a_bundle_goes_to_a_node_in_one_request_and_comes_back_whole() {
    let sample = Sample::new();
    let node = Node::start();
    client(&node).put_bundle(&sample.bundle()).unwrap();
    assert_eq!(node.commands(), ["dag/import"]);
    assert_eq!(
        node.server.requests()[0].file(),
        Some(sample.car.as_slice())
    );
    let presence = client(&node).presence(&sample.root).unwrap();
    assert_eq!(
        (presence.stored, presence.pin),
        (true, Some(PinState::Recursive))
    );
    let fetched = fetch_bundle(&sample.root, &[&client(&node)], &FetchOptions::new()).unwrap();
    assert_eq!(fetched.bundle.blocks().len(), sample.blocks().len());
    let exported = node.server.requests();
    assert_eq!(exported.last().unwrap().parameter("offline"), Some("true"));
    client(&node).unpin(&sample.root).unwrap();
    client(&node).unpin(&sample.root).unwrap();
    let presence = client(&node).presence(&sample.root).unwrap();
    assert_eq!(
        (presence.stored, presence.pin),
        (true, Some(PinState::Unpinned))
    );
}

#[test]
fn a_node_that_takes_no_archives_is_given_blocks_and_gives_blocks() {
    let sample = Sample::new();
    let node = Node::with(Fault::NoArchives);
    client(&node).put_bundle(&sample.bundle()).unwrap();
    let puts = node
        .commands()
        .iter()
        .filter(|command| *command == "block/put")
        .count();
    assert_eq!(puts, sample.blocks().len());
    assert_eq!(node.commands().last().unwrap(), "pin/add");
    let fetched = fetch_bundle(&sample.root, &[&client(&node)], &FetchOptions::new()).unwrap();
    assert_eq!(fetched.bundle.blocks().len(), sample.blocks().len());
}

#[test]
fn what_a_node_says_it_stored_is_not_believed() {
    let sample = Sample::new();
    let node = Node::with(Fault::OtherId);
    let refused = client(&node).put_bundle(&sample.bundle()).unwrap_err();
    assert!(matches!(refused, BulkError::OtherId { .. }), "{refused}");
    let refused = client(&node).put_block(&cid_of(b"a"), b"a").unwrap_err();
    assert!(matches!(refused, BulkError::OtherId { .. }), "{refused}");
    assert_eq!(
        node.commands(),
        ["dag/import", "block/put"],
        "a lie is not asked for twice"
    );
}

#[test]
fn a_node_that_loses_a_block_or_a_pin_is_not_durable() {
    let sample = Sample::new();
    let bundle = sample.bundle();
    let forgetful = Node::with(Fault::ForgetsPins);
    client(&forgetful).put_bundle(&bundle).unwrap();
    let presence = client(&forgetful).presence(&sample.root).unwrap();
    assert_eq!(
        (presence.stored, presence.pin),
        (true, Some(PinState::Unpinned))
    );

    let losing = Node::with(Fault::LosesOne);
    client(&losing).put_bundle(&bundle).unwrap();
    let error = fetch_bundle(&sample.root, &[&client(&losing)], &FetchOptions::new());
    assert!(matches!(error, Err(BulkError::Nobody { .. })));

    // On this machine it is no help against the loss of this machine, however well it keeps.
    let error = check_durable(&client(&Node::start()), &bundle).unwrap_err();
    assert!(matches!(error, BulkError::Unsupported { .. }), "{error}");
}

#[test]
fn a_busy_node_is_tried_four_times_with_growing_delays() {
    let sample = Sample::new();
    let node = Node::start();
    let (patience, waits) = patience();
    node.state.lock().unwrap().busy = 3;
    client(&node)
        .patience(patience.clone())
        .put_bundle(&sample.bundle())
        .unwrap();
    assert_eq!(waits.list(), [100, 500, 2_000].map(Duration::from_millis));

    node.state.lock().unwrap().busy = 4;
    let error = client(&node)
        .patience(patience.clone())
        .put_bundle(&sample.bundle())
        .unwrap_err();
    assert!(
        matches!(error, BulkError::Refused { status: 503, .. }),
        "{error}"
    );
    assert_eq!(node.state.lock().unwrap().busy, 0);

    let (patience, waits) = crate::samples::patience();
    let cannot = Node::with(Fault::CannotPin);
    let error = client(&cannot)
        .patience(patience)
        .put_bundle(&sample.bundle())
        .unwrap_err();
    let BulkError::Refused {
        status: 200,
        message,
        ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(
        (message.as_str(), waits.list().len()),
        ("block was not there", 3)
    );
}

#[test]
fn a_refusal_is_not_tried_again_and_its_words_come_without_control_characters() {
    let server = Server::start(|_| {
        Answer::Body(
            403,
            "text/plain",
            b"\x1b[31mgo away\r\nSet-Cookie: x".to_vec(),
        )
    });
    let server = server.unwrap();
    let (patience, waits) = patience();
    let node = KuboNode::new(&server.url(), None, BulkLimits::REFERENCE).unwrap();
    let error = node
        .patience(patience)
        .put_block(&cid_of(b"a"), b"a")
        .unwrap_err();
    let BulkError::Refused {
        status: 403,
        message,
        ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(message, "[31mgo away  Set-Cookie: x");
    assert!(waits.list().is_empty());
}

#[test]
fn the_authorization_is_sent_and_shown_nowhere() {
    let server = Server::start(|_| Answer::Body(401, "text/plain", Vec::new())).unwrap();
    let authorization = Authorization::bearer("s3cret-token").unwrap();
    let node = KuboNode::new(
        &server.url(),
        Some(authorization.clone()),
        BulkLimits::REFERENCE,
    );
    let node = node.unwrap();
    let error = node.pin(&cid_of(b"a")).unwrap_err();
    let sent = server.requests();
    assert_eq!(sent[0].header("authorization"), Some("Bearer s3cret-token"));
    for shown in [format!("{node:?}"), format!("{error:?} {error}")] {
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    let clear = KuboNode::new(
        "http://192.0.2.1:5001",
        Some(authorization),
        BulkLimits::REFERENCE,
    );
    assert!(matches!(clear, Err(BulkError::InvalidOption { .. })));
}

#[test]
fn a_command_is_not_sent_where_an_answer_redirects_to() {
    let target = Server::start(|_| Answer::ok("application/json", "{}")).unwrap();
    let to = target.url();
    let server = Server::start(move |_| Answer::Head(307, vec![("Location", to.clone())])).unwrap();
    let node = KuboNode::new(&server.url(), None, BulkLimits::REFERENCE).unwrap();
    let error = node.unpin(&cid_of(b"a")).unwrap_err();
    assert!(
        matches!(error, BulkError::Redirects { limit: 0, .. }),
        "{error}"
    );
    assert!(target.requests().is_empty());
}

#[test]
fn a_block_of_a_token_cannot_end_the_form_it_is_sent_in() {
    let node = Node::start();
    let hostile = b"\r\n--00000000000000000000000000000000--\r\n".to_vec();
    let cid = cid_of(&hostile);
    client(&node).put_block(&cid, &hostile).unwrap();
    assert_eq!(client(&node).get_block(&cid).unwrap(), hostile);
}

#[test]
fn what_a_node_gives_is_checked_like_what_anybody_gives() {
    let node = Node::start();
    let cid = cid_of(b"a");
    let missing = client(&node).get_block(&cid).unwrap_err();
    assert!(matches!(missing, BulkError::NotFound { .. }), "{missing}");
    node.state
        .lock()
        .unwrap()
        .blocks
        .insert(cid.to_string(), b"b".to_vec());
    let lie = client(&node).get_block(&cid).unwrap_err();
    assert!(
        matches!(lie, BulkError::Content(ContentError::DigestMismatch { .. })),
        "{lie}"
    );
    assert!(ElementHash::from_cid(&cid).is_ok());
}

#[test]
fn whether_a_node_keeps_a_bundle_can_be_checked_wherever_it_is() {
    let sample = Sample::new();
    let bundle = sample.bundle();
    let check = |node: &Node| check_stored(&client(node), &bundle);
    let node = Node::start();
    client(&node).put_bundle(&bundle).unwrap();
    check(&node).unwrap();
    for (fault, is_expected) in [
        (
            Fault::ForgetsPins,
            (|error| matches!(error, BulkError::NotPinned { .. })) as fn(_) -> _,
        ),
        (Fault::PinsIndirectly, |error| {
            matches!(error, BulkError::NotPinned { .. })
        }),
        (Fault::LosesOne, |error| {
            matches!(error, BulkError::NotFound { .. })
        }),
    ] {
        let node = Node::with(fault);
        client(&node).put_bundle(&bundle).unwrap();
        assert!(is_expected(check(&node).unwrap_err()), "{fault:?}");
    }
}
