use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier};

use crate::cloud::{Cloud, Folder, stack};
use crate::restart::NO_FAULTS;

fn text(bytes: &str) -> ByteStream {
    ByteStream::from(bytes.as_bytes().to_vec())
}

#[tokio::test]
async fn objects_with_attributes_ranges_and_listing() {
    let cloud = Cloud::start(&stack()).await;
    let s3 = cloud.s3();
    for key in ["a/1", "a/2", "b/1", "c d/ü"] {
        let put = s3
            .put_object()
            .bucket("bucket")
            .key(key)
            .content_type("text/plain")
            .metadata("m", "v");
        put.body(text("hello")).send().await.unwrap();
    }
    let got = s3
        .get_object()
        .bucket("bucket")
        .key("c d/ü")
        .range("bytes=1-3")
        .send()
        .await
        .unwrap();
    assert_eq!(got.content_type(), Some("text/plain"));
    assert_eq!(got.metadata().unwrap()["m"], "v");
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"ell");
    let list = s3
        .list_objects_v2()
        .bucket("bucket")
        .prefix("a/")
        .max_keys(1)
        .send()
        .await
        .unwrap();
    assert_eq!(list.contents()[0].key(), Some("a/1"));
    assert_eq!(list.is_truncated(), Some(true));
    let next = list.next_continuation_token().unwrap();
    let rest = s3
        .list_objects_v2()
        .bucket("bucket")
        .prefix("a/")
        .continuation_token(next)
        .send()
        .await
        .unwrap();
    assert_eq!(rest.contents()[0].key(), Some("a/2"));
    let folders = s3
        .list_objects_v2()
        .bucket("bucket")
        .delimiter("/")
        .send()
        .await
        .unwrap();
    let folders: Vec<_> = folders
        .common_prefixes()
        .iter()
        .filter_map(|p| p.prefix())
        .collect();
    assert_eq!(folders, ["a/", "b/", "c d/"]);
    s3.delete_object()
        .bucket("bucket")
        .key("a/1")
        .send()
        .await
        .unwrap();
    let gone = s3
        .get_object()
        .bucket("bucket")
        .key("a/1")
        .send()
        .await
        .unwrap_err();
    assert_eq!(gone.code(), Some("NoSuchKey"));
    let buckets = s3.list_buckets().send().await.unwrap();
    assert_eq!(buckets.buckets()[0].name(), Some("bucket"));
}

#[tokio::test]
async fn multipart_upload() {
    let folder = Folder::new();
    let first = Cloud::start_in(Folder::at(folder.path()), &stack(), NO_FAULTS).await;
    let s3 = first.s3();
    let upload = s3
        .create_multipart_upload()
        .bucket("bucket")
        .key("big")
        .send()
        .await
        .unwrap();
    let id = upload.upload_id().unwrap();
    let mut parts = CompletedMultipartUpload::builder();
    let mut sent = BTreeMap::new();
    // The first is sent twice; the later counts.
    let bodies = [
        (1, vec![9_u8; 5 << 20]),
        (1, vec![7_u8; 5 << 20]),
        (2, vec![8_u8; 10]),
    ];
    for (number, body) in bodies {
        let part = s3
            .upload_part()
            .bucket("bucket")
            .key("big")
            .upload_id(id)
            .part_number(number);
        let part = part.body(ByteStream::from(body)).send().await.unwrap();
        sent.insert(number, part.e_tag);
    }
    for (number, e_tag) in sent {
        let part = CompletedPart::builder().part_number(number);
        parts = parts.parts(part.set_e_tag(e_tag).build());
    }
    // The upload survives the cloud that began it.
    let cloud = Cloud::start_in(Folder::at(folder.path()), &stack(), NO_FAULTS).await;
    let s3 = cloud.s3();
    let complete = s3
        .complete_multipart_upload()
        .bucket("bucket")
        .key("big")
        .upload_id(id);
    complete
        .multipart_upload(parts.build())
        .send()
        .await
        .unwrap();
    let head = s3
        .head_object()
        .bucket("bucket")
        .key("big")
        .send()
        .await
        .unwrap();
    assert_eq!(head.content_length(), Some((5 << 20) + 10));
    assert!(head.e_tag().unwrap().ends_with("-2\""));
    let end = s3
        .get_object()
        .bucket("bucket")
        .key("big")
        .range("bytes=-12")
        .send()
        .await
        .unwrap();
    assert_eq!(
        end.body.collect().await.unwrap().to_vec(),
        [[7; 2].as_slice(), &[8; 10]].concat()
    );
}

#[tokio::test]
async fn long_keys_conditional_reads_copies_and_batches_of_deletions() {
    let cloud = Cloud::start(&stack()).await;
    let s3 = cloud.s3();
    let key = format!("{}/{}", "x".repeat(700), "y".repeat(300));
    let put = s3
        .put_object()
        .bucket("bucket")
        .key(&key)
        .cache_control("no-store");
    let tag = put.body(text("1")).send().await.unwrap().e_tag.unwrap();
    assert_eq!(tag, "\"c4ca4238a0b923820dcc509a6f75849b\"");
    let too_long = s3
        .put_object()
        .bucket("bucket")
        .key("z".repeat(1_025))
        .body(text("1"));
    assert_eq!(
        too_long.send().await.unwrap_err().code(),
        Some("KeyTooLongError")
    );

    let get = || s3.get_object().bucket("bucket").key(&key);
    get().if_match(&tag).send().await.unwrap();
    let stale = get().if_match("\"other\"").send().await.unwrap_err();
    assert_eq!(stale.code(), Some("PreconditionFailed"));
    let unchanged = get().if_none_match(&tag).send().await.unwrap_err();
    assert_eq!(unchanged.raw_response().unwrap().status().as_u16(), 304);
    let beyond = get().range("bytes=5-9").send().await.unwrap_err();
    assert_eq!(beyond.code(), Some("InvalidRange"));

    let copy = s3
        .copy_object()
        .bucket("bucket")
        .key("copy")
        .copy_source(format!("bucket/{key}"));
    copy.send().await.unwrap();
    let copied = s3
        .get_object()
        .bucket("bucket")
        .key("copy")
        .send()
        .await
        .unwrap();
    assert_eq!(copied.cache_control(), Some("no-store"));
    assert_eq!(copied.e_tag(), Some(tag.as_str()));

    let object = |key: &str| ObjectIdentifier::builder().key(key).build().unwrap();
    let delete = Delete::builder()
        .objects(object("copy"))
        .objects(object(&key))
        .objects(object("none"));
    let deleted = s3
        .delete_objects()
        .bucket("bucket")
        .delete(delete.build().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.deleted().len(), 3);
    assert_eq!(
        s3.list_objects_v2()
            .bucket("bucket")
            .send()
            .await
            .unwrap()
            .key_count(),
        Some(0)
    );
}

#[tokio::test]
async fn wrong_checksums_and_wrong_parts_are_refused() {
    let cloud = Cloud::start(&stack()).await;
    let s3 = cloud.s3();
    let put = || {
        s3.put_object()
            .bucket("bucket")
            .key("k")
            .body(text("hello"))
    };
    let right = put().checksum_sha256("LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
    right.send().await.unwrap();
    let wrong = put()
        .content_md5("1B2M2Y8AsgTpgAmY7PhCfg==")
        .send()
        .await
        .unwrap_err();
    assert_eq!(wrong.code(), Some("BadDigest"));
    let wrong = put()
        .checksum_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
        .send()
        .await
        .unwrap_err();
    assert_eq!(wrong.code(), Some("BadDigest"));

    let upload = s3
        .create_multipart_upload()
        .bucket("bucket")
        .key("big")
        .send()
        .await
        .unwrap();
    let id = upload.upload_id().unwrap();
    for number in [1, 2] {
        let part = s3
            .upload_part()
            .bucket("bucket")
            .key("big")
            .upload_id(id)
            .part_number(number);
        part.body(text("small")).send().await.unwrap();
    }
    let complete = |numbers: &[i32]| {
        let parts = numbers
            .iter()
            .map(|number| CompletedPart::builder().part_number(*number).build());
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts.collect()))
            .build();
        let complete = s3
            .complete_multipart_upload()
            .bucket("bucket")
            .key("big")
            .upload_id(id);
        complete.multipart_upload(parts).send()
    };
    for (numbers, code) in [
        (&[2, 1][..], "InvalidPartOrder"),
        (&[1, 2], "EntityTooSmall"),
        (&[3], "InvalidPart"),
    ] {
        assert_eq!(complete(numbers).await.unwrap_err().code(), Some(code));
    }
    let listed = s3
        .list_parts()
        .bucket("bucket")
        .key("big")
        .upload_id(id)
        .send()
        .await
        .unwrap();
    assert_eq!(listed.parts().len(), 2);
    s3.abort_multipart_upload()
        .bucket("bucket")
        .key("big")
        .upload_id(id)
        .send()
        .await
        .unwrap();
    assert_eq!(
        complete(&[1]).await.unwrap_err().code(),
        Some("NoSuchUpload")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn put_if_absent_has_one_winner() {
    let cloud = Arc::new(Cloud::start(&stack()).await);
    let s3 = cloud.s3();
    let writers: Vec<_> = (0..50)
        .map(|n| {
            let put = s3
                .put_object()
                .bucket("bucket")
                .key("outcome")
                .if_none_match("*");
            tokio::spawn(put.body(text(&n.to_string())).send())
        })
        .collect();
    let mut winners = Vec::new();
    for (n, writer) in writers.into_iter().enumerate() {
        match writer.await.unwrap() {
            Ok(_) => winners.push(n),
            Err(error) => assert_eq!(error.code(), Some("PreconditionFailed")),
        }
    }
    assert_eq!(winners.len(), 1);
    let stored = cloud.compute.s3.get("bucket", "outcome").await.unwrap();
    assert_eq!(stored, winners[0].to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn compare_and_swap_loses_no_update() {
    let cloud = Cloud::start(&stack()).await;
    let s3 = cloud.s3();
    s3.put_object()
        .bucket("bucket")
        .key("counter")
        .body(text("0"))
        .send()
        .await
        .unwrap();
    let add = |s3: aws_sdk_s3::Client| async move {
        for _ in 0..10 {
            loop {
                let got = s3
                    .get_object()
                    .bucket("bucket")
                    .key("counter")
                    .send()
                    .await
                    .unwrap();
                let tag = got.e_tag().unwrap().to_owned();
                let body = got.body.collect().await.unwrap().to_vec();
                let n: u32 = String::from_utf8(body).unwrap().parse().unwrap();
                let put = s3
                    .put_object()
                    .bucket("bucket")
                    .key("counter")
                    .if_match(tag);
                match put.body(text(&(n + 1).to_string())).send().await {
                    Ok(_) => break,
                    Err(error) => assert_eq!(error.code(), Some("PreconditionFailed")),
                }
            }
        }
    };
    let adders: Vec<_> = (0..8).map(|_| tokio::spawn(add(s3.clone()))).collect();
    for adder in adders {
        adder.await.unwrap();
    }
    assert_eq!(
        cloud.compute.s3.get("bucket", "counter").await.unwrap(),
        "80"
    );
}

#[tokio::test]
async fn virtual_hosted_style_reaches_the_same_object() {
    let cloud = Cloud::start(&stack()).await;
    cloud
        .compute
        .s3
        .put("bucket", "k", "v".into())
        .await
        .unwrap();
    let address = cloud.endpoint.trim_start_matches("http://").to_owned();
    let port = address.rsplit(':').next().unwrap();
    let answer = http_get(&address, &format!("bucket.localhost:{port}"), "/k").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nv"), "{answer}");
}

/// A request with a Host header of its own.
async fn http_get(address: &str, host: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
