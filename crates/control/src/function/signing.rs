//! Which code signing configuration a function has, and what that means for code on its way in.
//!
//! Nobody signs code here, and no signature of AWS Signer's can be verified without AWS. So all code counts as
//! unsigned: it is refused where the configuration says so, and told in the log where it only warns.
//!
//! Source: Lambda Developer Guide, "Using code signing to verify code integrity with Lambda".

use std::sync::Arc;

use model::arn::{FunctionId, Scope};
use model::code_signing::{CodeSigningConfig, CodeSigningId, CodeSigningPolicy, FunctionCodeSigning};
use model::error::ServiceError;
use model::function::Code;
use model::name::FunctionReference;
use store::records::typed::TypedRecords;
use store::records::{RecordError, Revision, Write};
use tokio::sync::{Mutex, MutexGuard};

use super::reference::own_whole;
use super::refusal::not_found;
use super::{Functions, Source};
use crate::durable::not_written;
use crate::table::Table;

/// All code signing configurations.
pub(crate) struct Signing {
    /// By scope and id.
    pub(crate) configs: Table<CodeSigningConfig>,
    /// Held while a configuration changes or gets one more user, so that none in use is deleted.
    pub(crate) turn: Mutex<()>,
}

/// What is written together with a new function that has a configuration. As long as it is held, none is deleted.
pub(super) struct AboutToSign<'a> {
    table: &'a Table<FunctionCodeSigning>,
    value: Arc<FunctionCodeSigning>,
    _turn: MutexGuard<'a, ()>,
}

impl Signing {
    /// Takes what was stored.
    ///
    /// # Errors
    /// [`RecordError`] when a record cannot be read.
    pub(super) async fn load(records: &TypedRecords) -> Result<Self, RecordError> {
        Ok(Self { configs: Table::load(records).await?, turn: Mutex::default() })
    }
}

impl AboutToSign<'_> {
    pub(super) fn write(&self) -> Write {
        self.table.keep(&self.value, None)
    }

    /// Shows what has become durable.
    pub(super) fn install(self, stored: Revision) {
        self.table.install(self.value, stored);
    }
}

impl Functions {
    /// The configuration that an ARN names, as those see it who want to use it.
    ///
    /// # Errors
    /// `CodeSigningConfigNotFound`.
    pub(super) fn usable_config(
        &self,
        scope: &Scope,
        arn: &str,
    ) -> Result<Arc<CodeSigningConfig>, ServiceError> {
        let id = CodeSigningId::parse(arn, scope);
        let entry = id.and_then(|id| self.0.signing.configs.get(&id.scope, &id.id));
        entry.map(|entry| entry.value).ok_or_else(|| {
            ServiceError::CodeSigningConfigNotFound(format!(
                "The code signing configuration cannot be found. Check that the provided configuration is not \
                 deleted: {arn}."
            ))
        })
    }

    /// Prepares a function that is being created for its configuration, if it is to have one.
    ///
    /// # Errors
    /// `CodeSigningConfigNotFound`, `CodeVerificationFailed`: it may have been deleted, or changed, while the code was
    /// coming in.
    pub(super) async fn about_to_sign(
        &self,
        id: &FunctionId,
        config_arn: Option<&str>,
    ) -> Result<Option<AboutToSign<'_>>, ServiceError> {
        let Some(arn) = config_arn else { return Ok(None) };
        let _turn = self.0.signing.turn.lock().await;
        let config = self.usable_config(&id.scope, arn)?;
        deploy_unsigned(id, &config)?;
        let value = Arc::new(FunctionCodeSigning { function: id.clone(), config: config.id.clone() });
        Ok(Some(AboutToSign { table: &self.0.attachments.signing, value, _turn }))
    }

    /// Gives a function a configuration.
    ///
    /// # Errors
    /// `ResourceNotFound`; `CodeSigningConfigNotFound`; `InvalidParameterValue` for a container image.
    pub async fn sign_with(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        arn: &str,
    ) -> Result<CodeSigningId, ServiceError> {
        let (id, arn) = (own_whole(caller, reference)?, arn.to_owned());
        self.in_turn(&id.clone(), async move |functions, live| {
            if let Code::Image(_) = live.current.code {
                return Err(images_are_not_signed());
            }
            let _turn = functions.0.signing.turn.lock().await;
            let config = functions.usable_config(&id.scope, &arn)?.id.clone();
            let table = &functions.0.attachments.signing;
            let before = table.get(&id, "").map(|entry| entry.stored);
            let kept = table.put(FunctionCodeSigning { function: id.clone(), config }, before).await;
            kept.map(|kept| kept.config.clone()).map_err(|error| not_written(id.arn(), &error))
        })
        .await
    }

    /// The configuration of a function, if it has one.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub fn signed_with(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
    ) -> Result<Option<CodeSigningId>, ServiceError> {
        let id = own_whole(caller, reference)?;
        self.0.registry.look(&id, |_| ()).ok_or_else(|| not_found(&id, None))?;
        Ok(self.0.attachments.signing.get(&id, "").map(|entry| entry.value.config.clone()))
    }

    /// Takes the configuration of a function away; none is no error.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub async fn sign_no_more(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
    ) -> Result<(), ServiceError> {
        let id = own_whole(caller, reference)?;
        self.in_turn(&id.clone(), async move |functions, _| {
            let table = &functions.0.attachments.signing;
            let Some(entry) = table.get(&id, "") else { return Ok(()) };
            table.remove(&id, "", entry.stored).await.map_err(|error| not_written(id.arn(), &error))
        })
        .await
    }

    /// Whether code, or layers, may come into a function that has a configuration; as far as is known before they are
    /// there.
    ///
    /// # Errors
    /// `CodeVerificationFailed`.
    pub(super) fn check_signature(&self, id: &FunctionId) -> Result<(), ServiceError> {
        let Some(entry) = self.0.attachments.signing.get(id, "") else { return Ok(()) };
        check_unsigned(&*self.usable_config(&id.scope, &entry.value.config.to_string())?)
    }

    /// The same for what has come, to be asked by whoever has claimed the function. As long as what this gives is held,
    /// its configuration stays as it is.
    ///
    /// # Errors
    /// `CodeVerificationFailed`.
    pub(super) async fn about_to_deploy(
        &self,
        id: &FunctionId,
    ) -> Result<Option<MutexGuard<'_, ()>>, ServiceError> {
        let Some(entry) = self.0.attachments.signing.get(id, "") else { return Ok(None) };
        let turn = self.0.signing.turn.lock().await;
        deploy_unsigned(id, &*self.usable_config(&id.scope, &entry.value.config.to_string())?)?;
        Ok(Some(turn))
    }

    /// The same for a function that is being created.
    ///
    /// # Errors
    /// `CodeSigningConfigNotFound`; `CodeVerificationFailed`; `InvalidParameterValue` for a container image.
    pub(super) fn check_first_signature(
        &self,
        id: &FunctionId,
        source: &Source,
        config_arn: Option<&str>,
    ) -> Result<(), ServiceError> {
        let Some(arn) = config_arn else { return Ok(()) };
        if let Source::Image(_) = source {
            return Err(images_are_not_signed());
        }
        check_unsigned(&*self.usable_config(&id.scope, arn)?)
    }

    /// All code signing configurations.
    pub(crate) fn signing(&self) -> &Signing {
        &self.0.signing
    }

    /// The functions that have a configuration, by name.
    pub(crate) fn signed_with_config(&self, config: &CodeSigningId) -> Vec<FunctionId> {
        let uses =
            |signing: &FunctionCodeSigning| (signing.config == *config).then(|| signing.function.clone());
        let mut functions = self.0.attachments.signing.gather(uses);
        functions.sort();
        functions
    }
}

fn deploy_unsigned(id: &FunctionId, config: &CodeSigningConfig) -> Result<(), ServiceError> {
    check_unsigned(config)?;
    tracing::warn!(function = %id.arn(), config = %config.id, "code without a signature was deployed");
    Ok(())
}

fn check_unsigned(config: &CodeSigningConfig) -> Result<(), ServiceError> {
    match config.policy {
        CodeSigningPolicy::Warn => Ok(()),
        CodeSigningPolicy::Enforce => Err(ServiceError::CodeVerificationFailed(
            "Lambda cannot deploy the function. The function or layer might be signed using a signature that the \
             client is not configured to accept. Check the provided signature for the function or layer. Dormouse \
             cannot verify signatures of AWS Signer, so it takes all code as unsigned."
                .to_owned(),
        )),
    }
}

fn images_are_not_signed() -> ServiceError {
    ServiceError::InvalidParameterValue(
        "Code signing is not supported for functions created with container images.".to_owned(),
    )
}
