//! What runs for an image. Images are not fetched: Istio's, Envoy's and Gatepost's are programs of
//! the mesh, and every other one is an application, for which an echo upstream runs.

use k8s_openapi::api::core::v1::Container;

use super::error::PodError;
use crate::mesh::programs::GATEPOST;

/// What runs in a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mesh) enum Program {
    /// Istio's control plane.
    Discovery,
    /// Istio's agent, which starts an Envoy.
    Agent,
    /// Envoy by itself.
    Envoy,
    /// The `gatepost` command.
    Gatepost,
    /// An echo upstream on the container's ports.
    Echo,
}

impl Program {
    /// By the last part of the image's name.
    pub fn of(container: &Container) -> Result<Self, PodError> {
        let image = container.image.as_deref().unwrap_or_default();
        let image = image.split('@').next().unwrap_or_default();
        let name = image.rsplit('/').next().unwrap_or_default();
        Ok(match name.split(':').next().unwrap_or_default() {
            "auto" if !image.contains('/') => {
                return Err(PodError::NotInjected { container: container.name.clone() });
            }
            "pilot" => Self::Discovery,
            "proxyv2" => Self::Agent,
            "envoy" | "envoy-distroless" => Self::Envoy,
            "gatepost" => Self::Gatepost,
            _ => Self::Echo,
        })
    }

    /// Where the image has it. An echo upstream has no program: it runs in this process.
    pub fn path(self) -> Option<&'static str> {
        match self {
            Self::Discovery => Some("/usr/local/bin/pilot-discovery"),
            Self::Agent => Some("/usr/local/bin/pilot-agent"),
            Self::Envoy => Some("/usr/local/bin/envoy"),
            Self::Gatepost => Some(GATEPOST),
            Self::Echo => None,
        }
    }

    /// The command line: the image's program with `args`, or the container's own `command`, whose
    /// program must be one that the image has.
    pub fn command_line(
        self,
        container: &Container,
        args: Vec<String>,
        command: Vec<String>,
    ) -> Result<Vec<String>, PodError> {
        let program = self.path().unwrap_or_default();
        let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let mut words = command.into_iter();
        let mut line = vec![program.to_owned()];
        match words.next() {
            Some(first) if base(&first) == base(program) => {}
            Some(command) => {
                let container = container.name.clone();
                return Err(PodError::Command { container, command });
            }
            None => {}
        }
        line.extend(words);
        let mut args = args.into_iter().peekable();
        // As the entry point of Envoy's image: `args: [envoy, -c, …]` is the program again.
        if self == Self::Envoy && line.len() == 1 && args.peek().is_some_and(|arg| arg == "envoy") {
            args.next();
        }
        line.extend(args);
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(image: &str) -> Container {
        let image = Some(image.to_owned());
        Container { name: "main".to_owned(), image, ..Container::default() }
    }

    #[test]
    fn an_image_is_known_by_the_last_part_of_its_name() {
        for (image, program) in [
            ("registry.istio.io/testing/pilot:latest", Program::Discovery),
            ("gcr.io/istio-release/proxyv2:1.31.0-distroless", Program::Agent),
            ("proxyv2", Program::Agent),
            ("docker.io/envoyproxy/envoy:v1.40.0", Program::Envoy),
            ("envoyproxy/envoy@sha256:aa", Program::Envoy),
            ("localhost:5000/envoyproxy/envoy", Program::Envoy),
            ("registry.invalid/gatepost:0.1.0", Program::Gatepost),
            ("gcr.io/project/app-service:1", Program::Echo),
            ("example.com/auto:1", Program::Echo),
        ] {
            assert_eq!(Program::of(&container(image)).unwrap(), program, "{image}");
        }
    }

    #[test]
    fn a_gateway_without_injection_is_told_what_it_needs() {
        let error = Program::of(&container("auto")).unwrap_err().to_string();
        assert!(error.contains("istio.io/rev=default"), "{error}");
    }

    #[test]
    fn envoys_image_takes_its_arguments_with_or_without_the_program() {
        let line = |command: &[&str], args: &[&str]| {
            let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
            Program::Envoy.command_line(&container("envoy"), owned(args), owned(command))
        };
        let expected = ["/usr/local/bin/envoy", "-c", "/etc/envoy/envoy.yaml"];
        for (command, args) in [
            (&[][..], &["-c", "/etc/envoy/envoy.yaml"][..]),
            (&[], &["envoy", "-c", "/etc/envoy/envoy.yaml"]),
            (&["envoy"], &["-c", "/etc/envoy/envoy.yaml"]),
            (&["/usr/local/bin/envoy", "-c"], &["/etc/envoy/envoy.yaml"]),
        ] {
            assert_eq!(line(command, args).unwrap(), expected);
        }
        let error = line(&["sh", "-c", "envoy"], &[]).unwrap_err().to_string();
        assert!(error.contains("`sh`"), "{error}");
    }
}
