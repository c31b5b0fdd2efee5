//! What the settings of a function may refer to: layers that exist, and shared directories that the machine's owner
//! allows.
//!
//! Source: Lambda Developer Guide, "Adding layers to functions" and "Configuring file system access"; the words are
//! those of the service.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::arn::Scope;
use model::error::ServiceError;
use model::function::{FileSystem, Layer};
use model::layer::{LayerId, LayerVersionId};
use model::limits;

use crate::layer::{LayerPolicies, Shelves};

/// The surroundings of the functions of one scope.
pub struct Surroundings<'a> {
    /// Whose.
    pub scope: &'a Scope,
    /// All layers.
    pub shelves: &'a Shelves,
    /// Who else may use them.
    pub(crate) policies: &'a LayerPolicies,
    /// Shared directories by the ARN under which functions ask for them.
    pub file_systems: &'a BTreeMap<String, PathBuf>,
}

impl Surroundings<'_> {
    /// The layers of a function, in the order in which they are merged.
    ///
    /// # Errors
    /// `InvalidParameterValue` for more than five, two versions of one, or one that is not there; `AccessDenied` for
    /// another account's.
    pub fn layers(&self, arns: &[String]) -> Result<Vec<Layer>, ServiceError> {
        if arns.len() > limits::LAYERS_MAX {
            return invalid(format!("Cannot reference more than {} layers.", limits::LAYERS_MAX));
        }
        let mut ids: Vec<(LayerVersionId, &String)> = Vec::with_capacity(arns.len());
        for arn in arns {
            let Ok(id) = LayerVersionId::parse(arn) else {
                return invalid(format!("Layer version {} does not exist.", shown(arn)));
            };
            self.check_scope(&id)?;
            if let Some((_, other)) = ids.iter().find(|(other, _)| other.layer == id.layer) {
                return invalid(format!(
                    "Two different versions of the same layer are not allowed to be referenced in the same function. \
                     {other} and {arn} are versions of the same layer."
                ));
            }
            ids.push((id, arn));
        }
        let layer = |(id, arn): &(LayerVersionId, &String)| match self.shelves.get(id) {
            Some(version) => Ok(Layer { arn: (*arn).clone(), zip: version.zip }),
            None => invalid(format!("Layer version {arn} does not exist.")),
        };
        ids.iter().map(layer).collect()
    }

    /// The shared directories of a function.
    ///
    /// # Errors
    /// `InvalidParameterValue` for an ARN that is mapped to no directory, or a path outside `/mnt`.
    pub fn file_systems(&self, wanted: Vec<FileSystem>) -> Result<Vec<FileSystem>, ServiceError> {
        for (index, FileSystem { arn, local_path, direct_read }) in wanted.iter().enumerate() {
            if !is_below_mnt(local_path) {
                return invalid(format!(
                    "The local mount path {} is not legal: it is /mnt/ and one name of letters, digits, hyphens, \
                     underscores and dots.",
                    shown(local_path)
                ));
            }
            if direct_read.is_some() && arn.split(':').nth(2) != Some("s3files") {
                return invalid(
                    "S3FilesConfig is only supported for access points of Amazon S3 Files.".to_owned(),
                );
            }
            if !self.file_systems.contains_key(arn) {
                return invalid(format!(
                    "The file system {} is mapped to no directory of this machine. Its owner maps it with the setting \
                     file-systems of the server's configuration.",
                    shown(arn)
                ));
            }
            if wanted[..index].iter().any(|other| other.local_path == *local_path) {
                return invalid(format!("Two file systems have the local mount path {}.", shown(local_path)));
            }
        }
        Ok(wanted)
    }

    fn check_scope(&self, id: &LayerVersionId) -> Result<(), ServiceError> {
        let LayerId { scope: Scope { account, region }, .. } = &id.layer;
        if *account != self.scope.account {
            crate::layer::check_shared(self.policies, self.scope, id)?;
        }
        if *region != self.scope.region {
            return invalid(format!(
                "Layers are not in the same region as the function. Layers are expected to be in region {}.",
                self.scope.region
            ));
        }
        Ok(())
    }
}

fn is_below_mnt(path: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    path.strip_prefix("/mnt/").is_some_and(|name| !matches!(name, "" | "." | "..") && name.bytes().all(legal))
}

fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}

fn invalid<T>(message: String) -> Result<T, ServiceError> {
    Err(ServiceError::InvalidParameterValue(message))
}
