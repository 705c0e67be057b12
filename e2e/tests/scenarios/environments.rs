//! Environments: gRPC by the `env` header to two real backends, and every source and every value of
//! `unknown`, live.

use futures_util::{StreamExt, stream};
use gatepost_testbed::Testbed;
use gatepost_testbed::client::{VERSIONS, body, get};
use gatepost_testbed::echo::{GreeterClient, HelloRequest};
use http::{Request, Version};
use tonic::Code;

use crate::answer::send;
use crate::pair::Pair;

const BACKENDS: &[(&str, &str)] = &[
    ("app-service.env1.svc.cluster.local", "env1"),
    ("app-service.env2.svc.cluster.local", "env2"),
];

/// The policy asm-grpc-env, with this text as the rest of its environments.
async fn grpc_pair(rest: &str) -> Pair {
    let policy = format!(
        "
apiVersion: gatepost/v1
environments:
  sources: [{{ header: env }}]
  allow: [env1, env2]
  {rest}
  hints:
    headers: {{ x-gatepost-env: \"{{env}}\" }}
    authority: app-service.{{env}}.svc.cluster.local:50051
"
    );
    Pair::start(&policy, BACKENDS).await
}

async fn greeter(testbed: &Testbed, env: &[&str]) -> GreeterClient {
    let client = GreeterClient::connect(testbed.address(), "app.example.com:443")
        .await
        .expect("a connection");
    env.iter().fold(client, |client, value| {
        client.with_metadata("env", value.as_bytes()).expect("a header")
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_calls_reach_the_backend_that_the_env_header_names() {
    let pair = grpc_pair("default: env1").await;
    for (gateway, testbed) in pair.each() {
        for (env, message) in [
            (&["env1"][..], "Hello World! ServerEnv:env1, ClientEnv:env1"),
            (&["env2"], "Hello World! ServerEnv:env2, ClientEnv:env2"),
            (&["ENV2"], "Hello World! ServerEnv:env2, ClientEnv:ENV2"),
            (&["env2", "env2"], "Hello World! ServerEnv:env2, ClientEnv:env2"),
            (&[], "Hello World! ServerEnv:env1, ClientEnv:"),
        ] {
            let reply = greeter(testbed, env)
                .await
                .say_hello("x")
                .await
                .unwrap_or_else(|status| panic!("{gateway} {env:?}: {status}"));
            assert_eq!(reply.message, message, "{gateway}");
        }
        for env in [
            &["env3"][..],
            &["env1", "env2"],
            &["env1 env2"],
            &["env1,env1"],
            &["-"],
            &["app-service.env1"],
        ] {
            let status =
                greeter(testbed, env).await.say_hello("x").await.expect_err("no such environment");
            assert_eq!(
                (status.code(), status.message()),
                (Code::Unimplemented, "unknown environment"),
                "{gateway} {env:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bidirectional_stream_answers_each_message_before_the_next_is_sent() {
    let pair = grpc_pair("default: env1").await;
    for (gateway, testbed) in pair.each() {
        for env in ["env1", "env2"] {
            let (sender, messages) = tokio::sync::mpsc::unbounded_channel::<HelloRequest>();
            let messages = stream::unfold(messages, |mut messages| async move {
                Some((messages.recv().await?, messages))
            });
            let mut replies =
                greeter(testbed, &[env]).await.chat(messages).await.expect("a stream");
            for number in 0..10 {
                sender
                    .send(HelloRequest { name: number.to_string() })
                    .expect("the call takes messages");
                let reply = replies.next().await.expect("a reply").expect("a message");
                assert_eq!(
                    reply.message,
                    format!("Hello World! ServerEnv:{env}, ClientEnv:{env}"),
                    "{gateway}"
                );
            }
            drop(sender);
            assert!(replies.next().await.is_none(), "{gateway}: the stream ends with its status");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_default_the_route_decides_and_there_is_none() {
    let pair = grpc_pair("unknown: ignore").await;
    for (gateway, testbed) in pair.each() {
        for env in [&[][..], &["env3"], &["env1", "env2"]] {
            let status = greeter(testbed, env).await.say_hello("x").await.expect_err("no route");
            assert_eq!(status.code(), Code::Unimplemented, "{gateway} {env:?}");
            for version in VERSIONS {
                let headers: Vec<_> = env.iter().map(|env| ("env", *env)).collect();
                assert_eq!(
                    send(version, testbed.address(), get("http://app.example/", &headers))
                        .await
                        .by(),
                    "gateway 404",
                    "{gateway}"
                );
            }
        }
        let reply = greeter(testbed, &["env2"]).await.say_hello("x").await.expect("a reply");
        assert_eq!(reply.message, "Hello World! ServerEnv:env2, ClientEnv:env2", "{gateway}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_statuses_come_as_trailers_from_a_backend_and_as_headers_from_the_gateway() {
    let pair = grpc_pair("default: env1").await;
    for (gateway, testbed) in pair.each() {
        for (env, content_type, in_trailers, status) in [
            ("env1", "application/grpc", true, "0"),
            ("env3", "application/grpc", false, "12"),
            ("env3", "application/grpc+proto", false, "12"),
        ] {
            let request = Request::post("http://app.example/gatepost.demo.v1.Greeter/SayHello")
                .header("content-type", content_type)
                .header("te", "trailers")
                .header("env", env)
                .body(body(&[0u8; 5][..]))
                .expect("a request");
            let answer = send(Version::HTTP_2, testbed.address(), request).await;
            let trailer =
                answer.trailers.get("grpc-status").map(|value| value.to_str().expect("digits"));
            assert_eq!(answer.status, 200, "{gateway} {env}");
            assert_eq!(
                if in_trailers { trailer } else { answer.header("grpc-status") },
                Some(status),
                "{gateway} {env}"
            );
            assert_eq!(trailer.is_some(), in_trailers, "{gateway} {env}");
            assert!(
                answer
                    .header("content-type")
                    .is_some_and(|value| value.starts_with("application/grpc")),
                "{gateway} {env}"
            );
        }
        // A content type that only resembles gRPC gets an HTTP answer.
        for content_type in ["application/grpc-web", "application/grpcx", "application/json"] {
            let answer = send(
                Version::HTTP_2,
                testbed.address(),
                get("http://a.example/", &[("env", "env3"), ("content-type", content_type)]),
            )
            .await;
            assert_eq!(
                (answer.status, answer.header("grpc-status")),
                (404, None),
                "{gateway} {content_type}"
            );
        }
    }
}

/// A policy with every kind of source.
fn sources(unknown: &str) -> String {
    format!(
        "
apiVersion: gatepost/v1
environments:
  sources:
  - {{ header: env }}
  - {{ cookie: env }}
  - {{ query: env }}
  - {{ baggage: env }}
  - {{ subdomain: \"{{env}}.dev.example\" }}
  allow: [env1, env2]
  aliases: {{ stg: env2 }}
  default: env1
  unknown: {unknown}
  hints:
    headers: {{ x-gatepost-env: \"{{env}}\" }}
hosts:
  mappings:
  - {{ host: dev.example, authority: mapped.dev.example }}
"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_source_names_the_environment_and_the_first_with_a_value_wins() {
    let pair = Pair::start(&sources("reject"), &[("*", "any")]).await;
    for (gateway, testbed) in pair.each() {
        for (uri, headers, hint) in [
            ("http://a.example/", &[][..], "env1"),
            ("http://a.example/", &[("env", "env2")], "env2"),
            ("http://a.example/", &[("env", "STG")], "env2"),
            ("http://a.example/", &[("cookie", "a=b; env=env2; c=d")], "env2"),
            ("http://a.example/", &[("cookie", "a=b"), ("cookie", "env=env2")], "env2"),
            ("http://a.example/?env=env2", &[], "env2"),
            ("http://a.example/p?x=1&env=stg#", &[], "env2"),
            ("http://a.example/", &[("baggage", "userId=alice,env=env2;ttl=30")], "env2"),
            ("http://a.example/", &[("baggage", "userId=alice"), ("baggage", "env=env2")], "env2"),
            ("http://env2.dev.example/", &[], "env2"),
            ("http://ENV2.dev.example:8080/", &[], "env2"),
            ("http://env2.dev.example/?env=env1", &[("env", ""), ("cookie", "env=")], "env1"),
            (
                "http://env1.dev.example/?env=env1",
                &[("env", "env2"), ("cookie", "env=env1"), ("baggage", "env=env1")],
                "env2",
            ),
            (
                "http://env1.dev.example/?env=env1",
                &[("cookie", "env=env2"), ("baggage", "env=env1")],
                "env2",
            ),
            ("http://env1.dev.example/", &[("baggage", "env=env2")], "env2"),
        ] {
            for version in VERSIONS {
                let answer = send(version, testbed.address(), get(uri, headers)).await;
                assert_eq!(
                    answer.received("x-gatepost-env"),
                    [hint],
                    "{gateway} {version:?} {uri} {headers:?}: {answer:?}"
                );
            }
        }
        for version in VERSIONS {
            let answer =
                send(version, testbed.address(), get("http://env2.dev.example/", &[])).await;
            assert_eq!(
                answer.authority(),
                "mapped.dev.example",
                "{gateway}: a mapping sees the shortened host"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_environment_is_rejected_or_the_default_or_none() {
    let unknown: &[(&str, &[(&str, &str)])] = &[
        ("http://a.example/", &[("env", "env3")]),
        ("http://a.example/", &[("env", "env1"), ("env", "env2")]),
        ("http://a.example/", &[("cookie", "env=nope")]),
        ("http://a.example/?env=nope", &[]),
        ("http://a.example/", &[("baggage", "env=nope")]),
        ("http://nope.dev.example/", &[]),
    ];
    for (choice, hint) in
        [("reject", None), ("default", Some(&["env1"][..])), ("ignore", Some(&[]))]
    {
        let pair = Pair::start(&sources(choice), &[("*", "any")]).await;
        for (gateway, testbed) in pair.each() {
            for (uri, headers) in unknown {
                let forged = [*headers, &[("x-gatepost-env", "env2")]].concat();
                for version in VERSIONS {
                    let answer = send(version, testbed.address(), get(uri, &forged)).await;
                    match hint {
                        None => assert_eq!(
                            answer.by(),
                            "gateway 404",
                            "{gateway} {choice} {uri} {headers:?}"
                        ),
                        Some(hint) => assert_eq!(
                            answer.received("x-gatepost-env"),
                            hint,
                            "{gateway} {choice} {uri} {headers:?}"
                        ),
                    }
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_environment_beats_a_mapping_and_a_defaults_does_not() {
    let policy = "
apiVersion: gatepost/v1
environments:
  sources: [{ header: env }]
  default: main
  hints: { authority: \"app.{env}.internal\" }
hosts:
  mappings: [{ host: shop.example, authority: storefront.internal }]
  originalHost: x-forwarded-host
";
    let pair = Pair::start(policy, &[("*", "any")]).await;
    for (gateway, testbed) in pair.each() {
        for (uri, headers, authority) in [
            ("http://shop.example/", &[][..], "storefront.internal"),
            ("http://other.example/", &[], "app.main.internal"),
            ("http://shop.example/", &[("env", "pr-17")], "app.pr-17.internal"),
            ("http://other.example/", &[("env", "pr-17")], "app.pr-17.internal"),
            ("http://shop.example/", &[("env", "main")], "app.main.internal"),
        ] {
            for version in VERSIONS {
                let answer = send(version, testbed.address(), get(uri, headers)).await;
                assert_eq!(
                    answer.authority(),
                    authority,
                    "{gateway} {version:?} {uri} {headers:?}"
                );
                let host = &uri["http://".len()..uri.len() - 1];
                assert_eq!(answer.received("x-forwarded-host"), [host], "{gateway} {version:?}");
            }
        }
    }
}
