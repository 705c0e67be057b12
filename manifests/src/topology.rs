//! What the mesh's configuration says of its gateways, as far as it is among the manifests.

use std::sync::Arc;

use gatepost_authoring::Source;
use gatepost_authoring::read::read_documents;
use gatepost_engine::Path;

use crate::field::Field;
use crate::pods::{ROOT_NAMESPACE, Workload};
use crate::read::Manifests;

const TRUSTED: &str = "gatewayTopology.numTrustedProxies";

/// The mesh's configuration.
pub(crate) struct Mesh<'m> {
    /// The namespace whose plugins are for the pods of all others.
    pub root_namespace: String,
    trusted: Option<TrustedProxies<'m>>,
}

/// A setting of `gatewayTopology`.
#[derive(Clone)]
pub(crate) struct TrustedProxies<'m> {
    pub number: i64,
    /// Where it is written.
    pub place: Field<'m>,
}

impl<'m> Mesh<'m> {
    /// What an IstioOperator says, or the ConfigMap that istiod reads.
    pub fn new(manifests: &'m Manifests) -> Self {
        let (mut root_namespace, mut trusted) = (None, None);
        let objects = manifests.objects.iter();
        for operator in objects.clone().filter(|one| one.is("install.istio.io", "IstioOperator")) {
            let config = operator.at("spec.meshConfig");
            root_namespace = root_namespace.or(root_of(&config));
            let place = config.at("defaultConfig").at(TRUSTED);
            let number = place.integer();
            trusted = trusted.or(number.map(|number| TrustedProxies { number, place }));
        }
        for map in objects.filter(|one| one.is("", "ConfigMap") && one.name() == "istio") {
            let place = map.at("data.mesh");
            root_namespace = root_namespace.or(in_text(&place, root_of));
            let number = in_text(&place, |config| config.at("defaultConfig").at(TRUSTED).integer());
            trusted = trusted.or(number.map(|number| TrustedProxies { number, place }));
        }
        let root_namespace = root_namespace.unwrap_or_else(|| ROOT_NAMESPACE.to_owned());
        Self { root_namespace, trusted }
    }

    /// `numTrustedProxies` of a gateway's pods: their annotation's, or the mesh's.
    pub fn trusted_proxies<'w>(
        &self,
        pods: impl Iterator<Item = &'w Workload<'m>>,
    ) -> Option<TrustedProxies<'m>>
    where
        'm: 'w,
    {
        let mut annotations =
            pods.map(|pod| pod.template.at("metadata.annotations").get("proxy.istio.io/config"));
        let annotated = annotations.find_map(|place| {
            let number = in_text(&place, |config| config.at(TRUSTED).integer())?;
            Some(TrustedProxies { number, place })
        });
        annotated.or_else(|| self.trusted.clone())
    }
}

fn root_of(config: &Field<'_>) -> Option<String> {
    config.get("rootNamespace").text().map(str::to_owned)
}

/// What is in a text that is YAML itself.
pub(crate) fn in_text<T>(
    place: &Field<'_>,
    read: impl FnOnce(&Field<'_>) -> Option<T>,
) -> Option<T> {
    let source = Arc::new(Source::new("", place.text()?));
    let (documents, _) = read_documents(&source);
    read(&Field::root(&source, documents.first()?, Path::default()))
}
