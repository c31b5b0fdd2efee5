//! The tree of files that an archive's names describe, checked before a single one is written.
//!
//! Invariants of a [`Tree`]: every node but the root has a directory as its parent, no two nodes share a name in
//! one directory, and every symbolic link leads to a place within the tree, however many other links its way
//! takes. Names are plain UTF-8 components; `..`, absolute names and backslashes never get in.

use std::collections::HashMap;
use std::collections::hash_map;

use model::limits;

/// Longest name of one entry: well below the 4,096 bytes that the kernel takes for a whole path.
const NAME_BYTES_MAX: usize = 3_072;
/// Longest component, as on every usual file system.
const COMPONENT_BYTES_MAX: usize = 255;
/// Steps that following one link may take; the kernel gives up after 40 links.
const LINK_STEPS_MAX: usize = 400;

/// Why a name cannot be part of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is not text.
    #[error("is not UTF-8")]
    NotUtf8,
    /// It is empty or contains a NUL byte.
    #[error("is not a file name")]
    Malformed,
    /// It begins at the root.
    #[error("is an absolute path")]
    Absolute,
    /// It climbs out of its directory.
    #[error("contains `..`")]
    Climbing,
    /// It was written with the wrong separator.
    #[error("contains a backslash; zip archives separate directories with `/`")]
    Backslash,
    /// It or one of its parts is too long.
    #[error("is too long")]
    TooLong,
    /// The same name stands twice.
    #[error("stands in the archive twice")]
    Duplicate,
    /// One entry is a file or link, another lies beneath it.
    #[error("is a file in one place and a directory in another")]
    Collision,
    /// More files and directories than a package may have.
    #[error("is one file or directory too many ({} are allowed)", limits::ZIP_ENTRIES_MAX)]
    TooMany,
    /// The link leads out.
    #[error("is a link that leaves the package")]
    LinkOutside,
    /// The link is too long, not text, or leads in circles.
    #[error("is a link that leads nowhere")]
    LinkEndless,
}

/// What lies at a place of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A directory; `stated` if the archive has an entry for it.
    Directory {
        /// Whether an entry names it, rather than only something beneath it.
        stated: bool,
    },
    /// The file with this index in the archive.
    File {
        /// Index of its entry.
        entry: usize,
        /// Whether it can be executed.
        executable: bool,
    },
    /// A symbolic link.
    Link {
        /// Where it leads, as written.
        target: &'a str,
    },
}

/// Names a node; the root is 0 and a parent always comes before its children.
pub type NodeId = usize;

const ROOT: NodeId = 0;

#[derive(Debug)]
struct Node<'a> {
    parent: NodeId,
    name: &'a str,
    kind: Kind<'a>,
}

/// See the module's description.
#[derive(Debug)]
pub struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    children: HashMap<(NodeId, &'a str), NodeId>,
}

impl<'a> Tree<'a> {
    /// A tree with nothing but its root.
    pub fn new() -> Self {
        let root = Node { parent: ROOT, name: "", kind: Kind::Directory { stated: false } };
        Self { nodes: vec![root], children: HashMap::new() }
    }

    /// Adds what an entry with this name describes.
    pub fn insert(&mut self, name: &'a str, kind: Kind<'a>) -> Result<(), NameError> {
        let mut components = components(name)?.peekable();
        let mut at = ROOT;
        while let Some(component) = components.next() {
            let is_last = components.peek().is_none();
            let wanted = if is_last { kind } else { Kind::Directory { stated: false } };
            at = self.step_or_insert(at, component, wanted, is_last)?;
        }
        if at == ROOT && !matches!(kind, Kind::Directory { .. }) {
            return Err(NameError::Malformed);
        }
        Ok(())
    }

    fn step_or_insert(
        &mut self,
        parent: NodeId,
        name: &'a str,
        wanted: Kind<'a>,
        is_last: bool,
    ) -> Result<NodeId, NameError> {
        let next = self.nodes.len();
        match self.children.entry((parent, name)) {
            hash_map::Entry::Vacant(_) if next > limits::ZIP_ENTRIES_MAX => Err(NameError::TooMany),
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(next);
                self.nodes.push(Node { parent, name, kind: wanted });
                Ok(next)
            }
            hash_map::Entry::Occupied(occupied) => {
                let id = *occupied.get();
                let node = &mut self.nodes[id];
                match (node.kind, wanted) {
                    (Kind::Directory { .. }, Kind::Directory { .. }) if !is_last => {}
                    (Kind::Directory { stated: false }, Kind::Directory { stated: true }) => {
                        node.kind = wanted;
                    }
                    (Kind::Directory { .. }, Kind::Directory { .. }) => return Err(NameError::Duplicate),
                    (Kind::Directory { .. }, _) | (_, Kind::Directory { .. }) => {
                        return Err(NameError::Collision);
                    }
                    _ => return Err(NameError::Duplicate),
                }
                Ok(id)
            }
        }
    }

    /// Checks that every link stays within the tree; the name given with an error is the link's.
    pub fn check_links(&self) -> Result<(), (String, NameError)> {
        for (id, node) in self.nodes.iter().enumerate() {
            if let Kind::Link { target } = node.kind {
                self.follow(node.parent, target).map_err(|error| (self.path(id), error))?;
            }
        }
        Ok(())
    }

    /// Walks `target` as the kernel would, from the directory `from`. Places that do not exist are fine: a
    /// dangling link harms nobody, but whatever follows it must still not climb out.
    fn follow(&self, from: NodeId, target: &'a str) -> Result<(), NameError> {
        if target.starts_with('/') {
            return Err(NameError::LinkOutside);
        }
        let mut at = Some(from);
        let mut depth_below_missing = 0_usize;
        let mut todo: Vec<&str> = target.split('/').rev().collect();
        let mut steps = 0;
        while let Some(component) = todo.pop() {
            steps += 1;
            if steps > LINK_STEPS_MAX {
                return Err(NameError::LinkEndless);
            }
            match (component, at) {
                ("" | ".", _) => {}
                ("..", Some(ROOT)) => return Err(NameError::LinkOutside),
                ("..", Some(node)) => at = Some(self.nodes[node].parent),
                // What is missing may be anything later; only plain descents below it are harmless.
                ("..", None) if depth_below_missing == 0 => return Err(NameError::LinkOutside),
                ("..", None) => depth_below_missing -= 1,
                (_, None) => depth_below_missing += 1,
                (name, Some(node)) => match self.children.get(&(node, name)) {
                    None => at = None,
                    Some(&child) => match self.nodes[child].kind {
                        Kind::Link { target } if target.starts_with('/') => {
                            return Err(NameError::LinkOutside);
                        }
                        Kind::Link { target } => todo.extend(target.split('/').rev()),
                        Kind::Directory { .. } | Kind::File { .. } => at = Some(child),
                    },
                },
            }
        }
        Ok(())
    }

    /// The nodes below the root, parents before children, each with its path relative to the root.
    pub fn walk(&self) -> impl Iterator<Item = (String, Kind<'a>)> + '_ {
        self.nodes.iter().enumerate().skip(1).map(|(id, node)| (self.path(id), node.kind))
    }

    fn path(&self, id: NodeId) -> String {
        let mut names = Vec::new();
        let mut at = id;
        while at != ROOT {
            names.push(self.nodes[at].name);
            at = self.nodes[at].parent;
        }
        names.reverse();
        names.join("/")
    }
}

/// The components of a legal name; `.` and empty ones are left out.
fn components(name: &str) -> Result<impl Iterator<Item = &str>, NameError> {
    if name.is_empty() || name.contains('\0') {
        return Err(NameError::Malformed);
    }
    if name.contains('\\') {
        return Err(NameError::Backslash);
    }
    if name.starts_with('/') {
        return Err(NameError::Absolute);
    }
    let too_long = |component: &str| component.len() > COMPONENT_BYTES_MAX;
    if name.len() > NAME_BYTES_MAX || name.split('/').any(too_long) {
        return Err(NameError::TooLong);
    }
    if name.split('/').any(|component| component == "..") {
        return Err(NameError::Climbing);
    }
    Ok(name.split('/').filter(|component| !matches!(*component, "" | ".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Kind<'static> = Kind::File { entry: 0, executable: false };
    const DIRECTORY: Kind<'static> = Kind::Directory { stated: true };

    fn link(target: &str) -> Kind<'_> {
        Kind::Link { target }
    }

    fn build<'a>(entries: &[(&'a str, Kind<'a>)]) -> Result<Tree<'a>, NameError> {
        let mut tree = Tree::new();
        for (name, kind) in entries {
            tree.insert(name, *kind)?;
        }
        tree.check_links().map_err(|(_, error)| error)?;
        Ok(tree)
    }

    fn check<'a>(entries: &[(&'a str, Kind<'a>)], expect: Result<(), NameError>) {
        assert_eq!(build(entries).map(|_| ()), expect, "{entries:?}");
    }

    #[test]
    fn names_that_are_accepted() {
        check(&[("a", FILE), ("b/c", FILE), ("b/", DIRECTORY), ("./d/./e", FILE), ("./", DIRECTORY)], Ok(()));
        check(&[("b/", DIRECTORY), ("b/c/", DIRECTORY), ("b/c/d", FILE), ("ä…", FILE)], Ok(()));
        check(&[("...", FILE), ("a..b", FILE), ("..c", FILE)], Ok(()));
    }

    #[test]
    fn names_that_are_refused() {
        check(&[("", FILE)], Err(NameError::Malformed));
        check(&[("./", FILE)], Err(NameError::Malformed));
        check(&[("a\0b", FILE)], Err(NameError::Malformed));
        check(&[("/etc/passwd", FILE)], Err(NameError::Absolute));
        check(&[("../x", FILE)], Err(NameError::Climbing));
        check(&[("a/../../x", FILE)], Err(NameError::Climbing));
        check(&[("a/..", DIRECTORY)], Err(NameError::Climbing));
        check(&[("a\\b", FILE)], Err(NameError::Backslash));
        check(&[(&"x".repeat(256), FILE)], Err(NameError::TooLong));
        check(&[(&"x/".repeat(2_000), DIRECTORY)], Err(NameError::TooLong));
    }

    #[test]
    fn names_that_collide_are_refused() {
        check(&[("a", FILE), ("a", FILE)], Err(NameError::Duplicate));
        check(&[("a", FILE), ("./a", FILE)], Err(NameError::Duplicate));
        check(&[("a", link("b")), ("a", FILE)], Err(NameError::Duplicate));
        check(&[("a/", DIRECTORY), ("a//", DIRECTORY)], Err(NameError::Duplicate));
        check(&[("a", FILE), ("a/b", FILE)], Err(NameError::Collision));
        check(&[("a/b", FILE), ("a", FILE)], Err(NameError::Collision));
        check(&[("a", FILE), ("a/", DIRECTORY)], Err(NameError::Collision));
        check(&[("a", link("b")), ("a/x", FILE)], Err(NameError::Collision));
    }

    #[test]
    fn links_stay_within_the_package() {
        check(&[("a", FILE), ("b", link("a")), ("c/d", link("../a")), ("e", link("nowhere"))], Ok(()));
        check(&[("a", link("/etc/passwd"))], Err(NameError::LinkOutside));
        check(&[("a", link(".."))], Err(NameError::LinkOutside));
        check(&[("a/b", link("../../x"))], Err(NameError::LinkOutside));
        check(&[("a", link("missing/../.."))], Err(NameError::LinkOutside));
        check(&[("a", link("a"))], Err(NameError::LinkEndless));
        check(&[("a", link("b")), ("b", link("a"))], Err(NameError::LinkEndless));
    }

    /// Component by component the second link stays inside, but through the first it would climb out.
    #[test]
    fn links_are_followed_through_other_links() {
        let entries =
            [("top/", DIRECTORY), ("x/y/z/d", link("../../../top")), ("x/y/z/e", link("d/../../s"))];
        check(&entries, Err(NameError::LinkOutside));
        check(&[entries[0], entries[1], ("x/y/z/e", link("d/../s"))], Ok(()));
    }

    #[test]
    fn parents_come_before_children() {
        let tree = build(&[("a/b/c", FILE), ("a/d", link("b"))]).expect("a legal tree");
        let paths: Vec<String> = tree.walk().map(|(path, _)| path).collect();
        assert_eq!(paths, ["a", "a/b", "a/b/c", "a/d"]);
    }
}
