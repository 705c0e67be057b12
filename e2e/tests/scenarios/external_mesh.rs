//! Cloud Run calls a mesh by the names of a private zone. One route table serves every service of
//! the zone.

use gatepost_testbed::client::{VERSIONS, get};

use crate::answer::send;
use crate::pair::Pair;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_service_of_the_zone_is_reached_by_its_suffix() {
    let pair = Pair::shipped("external-mesh").await;
    for (gateway, testbed) in pair.each() {
        for version in VERSIONS {
            for (host, by, authority) in [
                ("ads.mesh.private", "ads", "ads.default.svc.cluster.local"),
                ("ADS.Mesh.Private:9999", "ads", "ads.default.svc.cluster.local"),
                ("payments.mesh.private", "another-service", "payments.default.svc.cluster.local"),
                ("a.b.mesh.private", "gateway 404", ""),
                ("mesh.private", "gateway 404", ""),
                ("adsmesh.private", "gateway 404", ""),
                ("ads.mesh.private.example", "gateway 404", ""),
                ("ads.default.svc.cluster.local", "gateway 404", ""),
            ] {
                let uri = format!("http://{host}/fortio/fetch/ads.mesh.private");
                let answer = send(version, testbed.address(), get(&uri, &[])).await;
                assert_eq!(
                    (answer.by().as_str(), answer.authority().as_str()),
                    (by, authority),
                    "{gateway} {version:?} {host}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_whose_name_outgrows_a_host_is_refused_and_nothing_is_cut_off() {
    let policy = "
apiVersion: gatepost/v1
hosts:
  mappings:
  - { host: \"{a}.{b}.{c}.zone\", authority: \"{a}.{b}.{c}.{a}.{b}.svc.cluster.local\" }
";
    let pair = Pair::start(policy, &[("*", "any")]).await;
    let label = "l".repeat(63);
    for (gateway, testbed) in pair.each() {
        for version in VERSIONS {
            let answer = send(
                version,
                testbed.address(),
                get(&format!("http://{label}.{label}.{label}.zone/"), &[]),
            )
            .await;
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (400, "the Host cannot be mapped\n"),
                "{gateway} {version:?}"
            );
            let answer =
                send(version, testbed.address(), get(&format!("http://a.{label}.c.zone/"), &[]))
                    .await;
            assert_eq!(
                answer.authority(),
                format!("a.{label}.c.a.{label}.svc.cluster.local"),
                "{gateway} {version:?}"
            );
        }
    }
}
