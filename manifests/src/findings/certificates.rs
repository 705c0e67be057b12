//! Certificates that a balancer or a gateway cannot use, and secrets in the wrong namespace.

use std::collections::{BTreeSet, HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::backend::is_gke_ingress;
use crate::cluster::Cluster;
use crate::field::Field;
use crate::finding::Finding;
use crate::object::Object;

const MANAGED: &str = "networking.gke.io/managed-certificates";

/// The identifier of the extension `subjectAltName` in DER: 2.5.29.17 (RFC 5280 §4.2.1.6).
const NAMES: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x11];

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    for secret in cluster.objects("", "Secret") {
        findings.extend(common_name(secret));
    }
    for certificate in cluster.objects("cert-manager.io", "Certificate") {
        findings.extend(requested_common_name(certificate));
    }
    let ingresses = cluster.manifests.objects.iter().filter(|object| is_gke_ingress(object));
    let ingresses: Vec<&Object> = ingresses.collect();
    let secrets = secrets(cluster);
    for ingress in &ingresses {
        let namespace = BTreeSet::from([ingress.namespace()]);
        for secret in ingress.at("spec.tls").items().iter().map(|tls| tls.get("secretName")) {
            findings.extend(elsewhere(&secrets, &secret, &namespace, "an Ingress"));
        }
        findings.extend(managed_of(cluster, ingress));
    }
    // The Ingress of a certificate in another namespace may be there as well, and a name that the
    // Ingress of another namespace has is reported where it is.
    let namespaces: HashSet<&str> = ingresses.iter().map(|one| one.namespace()).collect();
    let named: HashSet<&str> =
        ingresses.iter().flat_map(|ingress| managed_names(ingress)).collect();
    for certificate in cluster.objects("networking.gke.io", "ManagedCertificate") {
        if namespaces.contains(certificate.namespace()) && !named.contains(certificate.name()) {
            findings.push(unused(certificate));
        }
        findings.extend(wildcard(certificate));
    }
    for gateway in &cluster.gateways {
        // Istio reads the secrets of the namespace that the gateway's pods are in.
        let pods = cluster.selected(&gateway.pods).map(|pod| pod.object.namespace());
        let namespaces: BTreeSet<&str> = pods.collect();
        for server in &gateway.servers {
            let secret = server.field.at("tls.credentialName");
            findings.extend(elsewhere(&secrets, &secret, &namespaces, "a gateway"));
        }
    }
}

/// A certificate without any name in its extension of names.
fn common_name(secret: &Object) -> Option<Finding> {
    let encoded = secret.at("data").get("tls.crt");
    let plain = secret.at("stringData").get("tls.crt");
    let (field, pem) = match plain.text() {
        Some(text) => (&plain, text.as_bytes().to_vec()),
        None => (&encoded, STANDARD.decode(encoded.text()?.trim()).ok()?),
    };
    let certificate = CertificateDer::from_pem_slice(&pem).ok()?;
    let has_names = certificate.windows(NAMES.len()).any(|bytes| bytes == NAMES);
    (!has_names).then(|| {
        field.error(
            "certificate-common-name",
            "this certificate has only a common name, which no client and no balancer reads",
            "give it the names in `subjectAltName`: `openssl req -addext subjectAltName=DNS:…`",
        )
    })
}

fn requested_common_name(certificate: &Object) -> Option<Finding> {
    let spec = certificate.at("spec");
    let name = spec.get("commonName");
    let names = ["dnsNames", "ipAddresses", "uris", "emailAddresses", "literalSubject"];
    // An authority is known by its key.
    let is_authority = spec.get("isCA").is_true();
    (name.exists() && !is_authority && !names.iter().any(|field| spec.get(field).exists())).then(
        || {
            name.error(
                "certificate-common-name",
                "a certificate with only a common name, which no client and no balancer reads",
                "write the name into `dnsNames`, too",
            )
        },
    )
}

/// The namespaces of the secrets of a name that are there, or that a Certificate makes.
fn secrets<'m>(cluster: &Cluster<'m>) -> HashMap<&'m str, Vec<&'m str>> {
    let made = cluster.objects("", "Secret").map(|secret| (secret.name(), secret.namespace()));
    let issued = cluster.objects("cert-manager.io", "Certificate").filter_map(|certificate| {
        Some((certificate.at("spec.secretName").text()?, certificate.namespace()))
    });
    let mut secrets: HashMap<_, Vec<_>> = HashMap::new();
    for (name, namespace) in made.chain(issued) {
        secrets.entry(name).or_default().push(namespace);
    }
    secrets
}

/// A secret that is known, and only in other namespaces than its readers.
fn elsewhere(
    secrets: &HashMap<&str, Vec<&str>>,
    field: &Field<'_>,
    namespaces: &BTreeSet<&str>,
    reader: &str,
) -> Option<Finding> {
    let name = field.text()?;
    let namespace = namespaces.first()?;
    let known = secrets.get(name)?;
    if known.iter().any(|known| namespaces.contains(known)) {
        return None;
    }
    Some(field.error(
        "secret-namespace",
        format!("the Secret `{name}` is in {}, and not in {namespace}", known.join(", ")),
        format!("{reader} reads Secrets of one namespace: make it in {namespace}"),
    ))
}

/// ManagedCertificates that an Ingress names, and that only another namespace has, or none by a
/// name of those in its own.
fn managed_of(cluster: &Cluster<'_>, ingress: &Object) -> Vec<Finding> {
    let annotation = ingress.annotation(MANAGED);
    let known = cluster.objects("networking.gke.io", "ManagedCertificate");
    let names = managed_names(ingress).filter(|name| {
        let (group, namespace) = ("networking.gke.io", ingress.namespace());
        let is_near =
            |known: &Object| known.name() == *name || known.namespace() == ingress.namespace();
        cluster.object(group, "ManagedCertificate", namespace, name).is_none()
            && known.clone().any(is_near)
    });
    names
        .map(|name| {
            annotation.error(
                "managed-certificate",
                format!("no ManagedCertificate `{name}` is in {}", ingress.namespace()),
                "an Ingress takes the certificates of its own namespace, by their objects' names",
            )
        })
        .collect()
}

/// The names of ManagedCertificates in an Ingress's annotation.
fn managed_names(ingress: &Object) -> impl Iterator<Item = &str> {
    let names = ingress.annotation(MANAGED).text().unwrap_or_default().split(',');
    names.map(str::trim).filter(|name| !name.is_empty())
}

fn unused(certificate: &Object) -> Finding {
    certificate.at("metadata.name").warning(
        "managed-certificate",
        format!("no Ingress names {}: it waits in Provisioning for ever", certificate.origin),
        format!(
            "annotate the Ingress with `{MANAGED}: {}`; a GKE Gateway takes a certificate map",
            certificate.name()
        ),
    )
}

fn wildcard(certificate: &Object) -> Option<Finding> {
    let domains = certificate.at("spec.domains").items();
    let star = domains.iter().find(|name| name.text().is_some_and(|name| name.contains('*')))?;
    Some(star.error(
        "managed-certificate",
        "a ManagedCertificate has no wildcards",
        "list the names, or use a certificate map with DNS authorization",
    ))
}
