//! The stored forms of users, groups, roles, managed policies and last uses. Version 1 each; `golden/iam-*-v1.json` are
//! examples.
//!
//! The secret half of an access key is sealed for its account and key id. Each is filed under its name in small
//! letters, so that no two differ in case alone.

use std::collections::{BTreeMap, BTreeSet};

use model::iam::{AccessKey, Entity, Grants, Group, KeySecret, LastUse, Policy, PolicyVersion, Role, User};
use model::id::AccountId;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{SchemaError, versioned};
use crate::records::typed::Stored;
use crate::seal::Sealer;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntityForm {
    account: String,
    name: String,
    path: String,
    id: String,
    created_ms: i64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantsForm {
    attached: BTreeSet<String>,
    inline: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boundary: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserForm {
    v: u32,
    entity: EntityForm,
    grants: GrantsForm,
    keys: Vec<KeyForm>,
    groups: BTreeSet<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyForm {
    id: String,
    sealed: String,
    active: bool,
    created_ms: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupForm {
    v: u32,
    entity: EntityForm,
    grants: GrantsForm,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleForm {
    v: u32,
    entity: EntityForm,
    grants: GrantsForm,
    trust: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    session_s_max: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyForm {
    v: u32,
    entity: EntityForm,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    updated_ms: i64,
    versions: BTreeMap<u32, VersionForm>,
    default_version: u32,
    last_version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionForm {
    document: String,
    created_ms: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LastUseForm {
    v: u32,
    account: String,
    subject: String,
    time_ms: i64,
    service: String,
    region: String,
}

fn account_of(text: &str, field: &'static str) -> Result<AccountId, SchemaError> {
    AccountId::parse(text).map_err(|_| SchemaError::IllegalValue { field })
}

fn entity_form(entity: &Entity) -> EntityForm {
    EntityForm {
        account: entity.account.to_string(),
        name: entity.name.clone(),
        path: entity.path.clone(),
        id: entity.id.clone(),
        created_ms: entity.created.as_millis(),
        tags: entity.tags.clone(),
    }
}

fn entity_of(form: EntityForm) -> Result<Entity, SchemaError> {
    Ok(Entity {
        account: account_of(&form.account, "entity.account")?,
        name: form.name,
        path: form.path,
        id: form.id,
        created: Timestamp::from_millis(form.created_ms),
        tags: form.tags,
    })
}

fn grants_form(grants: &Grants) -> GrantsForm {
    let Grants { attached, inline, boundary } = grants.clone();
    GrantsForm { attached, inline, boundary }
}

fn grants_of(GrantsForm { attached, inline, boundary }: GrantsForm) -> Grants {
    Grants { attached, inline, boundary }
}

fn label(account: AccountId, key_id: &str) -> String {
    format!("iam access key {account} {key_id}")
}

fn key_of(form: KeyForm, account: AccountId, sealer: &Sealer) -> Result<AccessKey, SchemaError> {
    const FIELD: &str = "keys.sealed";
    let secret = sealer
        .unseal(&label(account, &form.id), &form.sealed)
        .map_err(|_| SchemaError::Sealed { field: FIELD })?;
    let secret = String::from_utf8(secret).map_err(|_| SchemaError::IllegalValue { field: FIELD })?;
    Ok(AccessKey {
        id: form.id,
        secret: KeySecret::new(secret),
        is_active: form.active,
        created: Timestamp::from_millis(form.created_ms),
    })
}

/// What is the same for all four: whose it is and under which name.
macro_rules! filed {
    ($kind:literal) => {
        type Owner = AccountId;
        const KIND: &'static str = $kind;

        fn owner(&self) -> AccountId {
            self.entity.account
        }

        fn name(&self) -> String {
            Entity::filed(&self.entity.name)
        }
    };
}

impl Stored for User {
    filed!("iam-user");

    fn encode(&self, sealer: &Sealer) -> Vec<u8> {
        let account = self.entity.account;
        let key = |key: &AccessKey| KeyForm {
            id: key.id.clone(),
            sealed: sealer.seal(&label(account, &key.id), key.secret.expose().as_bytes()),
            active: key.is_active,
            created_ms: key.created.as_millis(),
        };
        let form = UserForm {
            v: VERSION,
            entity: entity_form(&self.entity),
            grants: grants_form(&self.grants),
            keys: self.keys.iter().map(key).collect(),
            groups: self.groups.clone(),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], sealer: &Sealer) -> Result<Self, SchemaError> {
        let form: UserForm = versioned(VERSION, bytes)?;
        let entity = entity_of(form.entity)?;
        let keys = form.keys.into_iter().map(|key| key_of(key, entity.account, sealer));
        Ok(Self {
            keys: keys.collect::<Result<_, _>>()?,
            entity,
            grants: grants_of(form.grants),
            groups: form.groups,
        })
    }
}

impl Stored for Group {
    filed!("iam-group");

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form =
            GroupForm { v: VERSION, entity: entity_form(&self.entity), grants: grants_form(&self.grants) };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: GroupForm = versioned(VERSION, bytes)?;
        Ok(Self { entity: entity_of(form.entity)?, grants: grants_of(form.grants) })
    }
}

impl Stored for Role {
    filed!("iam-role");

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = RoleForm {
            v: VERSION,
            entity: entity_form(&self.entity),
            grants: grants_form(&self.grants),
            trust: self.trust.clone(),
            description: self.description.clone(),
            session_s_max: self.session_s_max,
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: RoleForm = versioned(VERSION, bytes)?;
        Ok(Self {
            entity: entity_of(form.entity)?,
            grants: grants_of(form.grants),
            trust: form.trust,
            description: form.description,
            session_s_max: form.session_s_max,
        })
    }
}

impl Stored for Policy {
    filed!("iam-policy");

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let version = |version: &PolicyVersion| VersionForm {
            document: version.document.clone(),
            created_ms: version.created.as_millis(),
        };
        let form = PolicyForm {
            v: VERSION,
            entity: entity_form(&self.entity),
            description: self.description.clone(),
            updated_ms: self.updated.as_millis(),
            versions: self.versions.iter().map(|(number, it)| (*number, version(it))).collect(),
            default_version: self.default_version,
            last_version: self.last_version,
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: PolicyForm = versioned(VERSION, bytes)?;
        if !form.versions.contains_key(&form.default_version) {
            return Err(SchemaError::IllegalValue { field: "default_version" });
        }
        let version = |form: VersionForm| PolicyVersion {
            document: form.document,
            created: Timestamp::from_millis(form.created_ms),
        };
        Ok(Self {
            entity: entity_of(form.entity)?,
            description: form.description,
            updated: Timestamp::from_millis(form.updated_ms),
            versions: form.versions.into_iter().map(|(number, it)| (number, version(it))).collect(),
            default_version: form.default_version,
            last_version: form.last_version,
        })
    }
}

impl Stored for LastUse {
    type Owner = AccountId;
    const KIND: &'static str = "iam-last-use";

    fn owner(&self) -> AccountId {
        self.account
    }

    fn name(&self) -> String {
        self.subject.clone()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let Self { account, subject, time, service, region } = self.clone();
        let (account, time_ms) = (account.to_string(), time.as_millis());
        serde_json::to_vec(&LastUseForm { v: VERSION, account, subject, time_ms, service, region })
            .unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: LastUseForm = versioned(VERSION, bytes)?;
        Ok(Self {
            account: account_of(&form.account, "account")?,
            subject: form.subject,
            time: Timestamp::from_millis(form.time_ms),
            service: form.service,
            region: form.region,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::check_golden;

    fn entity(name: &str, id: &str) -> Entity {
        Entity {
            account: AccountId::parse("123456789012").unwrap(),
            name: name.to_owned(),
            path: "/team/".to_owned(),
            id: id.to_owned(),
            created: Timestamp::from_millis(1_764_000_000_123),
            tags: BTreeMap::from([("cost".to_owned(), "images".to_owned())]),
        }
    }

    fn grants() -> Grants {
        Grants {
            attached: BTreeSet::from(["arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned()]),
            inline: BTreeMap::from([("own".to_owned(), r#"{"Statement":[]}"#.to_owned())]),
            boundary: Some("arn:aws:iam::123456789012:policy/edge".to_owned()),
        }
    }

    fn user() -> User {
        User {
            entity: entity("Bob", "AIDA00000000000000001"),
            grants: grants(),
            keys: vec![AccessKey {
                id: "AKIA0000000000000001".to_owned(),
                secret: KeySecret::new("hunter2".to_owned()),
                is_active: false,
                created: Timestamp::from_millis(5),
            }],
            groups: BTreeSet::from(["AGPA00000000000000001".to_owned()]),
        }
    }

    #[test]
    fn groups_roles_and_policies_are_written_to_the_byte_and_stay_readable() {
        let group = Group { entity: entity("Staff", "AGPA00000000000000001"), grants: grants() };
        check_golden(&group, include_str!("../../golden/iam-group-v1.json"));
        let role = Role {
            entity: entity("worker", "AROA00000000000000001"),
            grants: grants(),
            trust: r#"{"Statement":[]}"#.to_owned(),
            description: Some("works".to_owned()),
            session_s_max: 7_200,
        };
        check_golden(&role, include_str!("../../golden/iam-role-v1.json"));
        let version = |created| PolicyVersion {
            document: r#"{"Statement":[]}"#.to_owned(),
            created: Timestamp::from_millis(created),
        };
        let policy = Policy {
            entity: entity("edge", "ANPA00000000000000001"),
            description: Some("bounds".to_owned()),
            updated: Timestamp::from_millis(9),
            versions: BTreeMap::from([(1, version(7)), (3, version(8))]),
            default_version: 3,
            last_version: 4,
        };
        check_golden(&policy, include_str!("../../golden/iam-policy-v1.json"));
    }

    #[test]
    fn last_uses_are_written_to_the_byte_and_stay_readable() {
        let last = LastUse {
            account: AccountId::parse("123456789012").unwrap(),
            subject: "AKIA0000000000000001".to_owned(),
            time: Timestamp::from_millis(1_764_000_000_123),
            service: "lambda".to_owned(),
            region: "us-east-1".to_owned(),
        };
        check_golden(&last, include_str!("../../golden/iam-last-use-v1.json"));
    }

    #[test]
    fn users_stay_readable_and_show_no_secret() {
        let golden = include_str!("../../golden/iam-user-v1.json");
        let sealer = Sealer::new(&[7; 32]).unwrap();
        assert_eq!(User::decode(golden.as_bytes(), &sealer), Ok(user()));
        let written = String::from_utf8(user().encode(&sealer)).unwrap();
        let without_sealed = |text: &str| {
            let (before, rest) = text.split_once(r#""sealed":""#).unwrap();
            let (sealed, after) = rest.split_once('"').unwrap();
            (format!("{before}{after}"), sealed.to_owned())
        };
        let ((now, new), (then, old)) = (without_sealed(&(written.clone() + "\n")), without_sealed(golden));
        assert_eq!(now, then, "{written}");
        assert_ne!(new, old, "a nonce was used twice");
        assert!(!written.contains("hunter2"));
        assert_eq!(user().name(), "bob");
        let moved = golden.replace("AKIA0000000000000001", "AKIA0000000000000002");
        let expect = Err(SchemaError::Sealed { field: "keys.sealed" });
        assert_eq!(User::decode(moved.as_bytes(), &sealer), expect);
    }
}
