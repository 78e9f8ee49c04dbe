//! Reads a crate's sources as a tree of modules, without the compiler: for checks of the
//! architecture and the public API.
//!
//! It parses each file with `syn`, follows `mod` declarations and resolves paths through imports
//! and re-exports. It expands no macros and knows no types. So it does not see a method call as a
//! use of the method's file.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

pub mod api;
pub mod arrows;
mod crates;
pub mod makers;
pub mod print;
mod prune;
mod resolve;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use syn::{Attribute, Item, Meta, UseTree, Visibility, visit_mut::VisitMut};

use prune::is_built;
pub use resolve::Target;

/// The crate's modules. The first is the root.
pub struct Tree {
    pub modules: Vec<Module>,
    texts: BTreeMap<String, String>,
}

/// A module: a file or a `mod x { … }` within one.
pub struct Module {
    /// The path from the root: empty for the root.
    pub path: Vec<String>,
    /// The file's path within `src`, with slashes.
    pub file: String,
    pub parent: Option<usize>,
    /// All items except test code. Items inside a macro such as `pin_project!` are included.
    pub items: Vec<Item>,
    /// The conditions of the `mod` declaration and of those above it.
    pub cfg: BTreeSet<String>,
    names: BTreeMap<String, Vec<Binding>>,
    globs: Vec<Import>,
}

#[derive(Clone)]
enum Binding {
    Item,
    Module(usize),
    Import(Import),
}

/// One leaf of a `use`.
#[derive(Clone)]
pub struct Import {
    pub path: Vec<String>,
    /// Whether it begins with `::`.
    pub absolute: bool,
    /// The bound name: `None` for a glob.
    pub name: Option<String>,
    pub visibility: Visibility,
    pub cfg: BTreeSet<String>,
}

impl Import {
    pub fn is_reexport(&self) -> bool {
        !matches!(self.visibility, Visibility::Inherited)
    }
}

impl Tree {
    /// Reads the folder `src` of a crate with a `lib.rs`.
    pub fn read(src: &Path) -> Self {
        Self::parse(texts(src))
    }

    /// Parses the files, given by their paths within `src`.
    pub fn parse(texts: BTreeMap<String, String>) -> Self {
        let mut tree = Self { modules: Vec::new(), texts };
        tree.add_file("lib.rs", Vec::new(), None, BTreeSet::new());
        tree
    }

    /// The files except test code.
    pub fn files(&self) -> BTreeSet<String> {
        self.modules.iter().map(|module| module.file.clone()).collect()
    }

    fn add_file(&mut self, file: &str, path: Vec<String>, parent: Option<usize>, cfg: BTreeSet<String>) -> usize {
        let text = self.texts.get(file).unwrap_or_else(|| panic!("there is no file `{file}`"));
        let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let folder = match file.rsplit_once('/') {
            Some((folder, "mod.rs")) => folder.to_owned(),
            None if file == "lib.rs" => String::new(),
            _ => file.trim_end_matches(".rs").to_owned(),
        };
        self.add_module(file, &folder, path, parent, cfg, parsed.items)
    }

    fn add_module(
        &mut self,
        file: &str,
        folder: &str,
        path: Vec<String>,
        parent: Option<usize>,
        cfg: BTreeSet<String>,
        items: Vec<Item>,
    ) -> usize {
        let id = self.modules.len();
        let module = Module {
            path,
            file: file.to_owned(),
            parent,
            items: Vec::new(),
            cfg,
            names: BTreeMap::new(),
            globs: Vec::new(),
        };
        self.modules.push(module);
        let mut items: Vec<Item> = items.into_iter().flat_map(expanded).collect();
        items.retain(|item| is_built(attributes(item)));
        for item in &mut items {
            prune::Tests.visit_item_mut(item);
            if let Item::Mod(child) = item {
                self.add_child(id, file, folder, child);
            } else if let Item::Use(item) = item {
                for import in imports(item) {
                    let module = &mut self.modules[id];
                    match import.name.clone() {
                        Some(name) => module.names.entry(name).or_default().push(Binding::Import(import)),
                        None => module.globs.push(import),
                    }
                }
            } else if let Some(name) = name(item) {
                self.modules[id].names.entry(name).or_default().push(Binding::Item);
            }
        }
        self.modules[id].items = items;
        id
    }

    fn add_child(&mut self, id: usize, file: &str, folder: &str, child: &mut syn::ItemMod) {
        let name = child.ident.to_string();
        let path: Vec<String> = self.modules[id].path.iter().cloned().chain([name.clone()]).collect();
        let cfg = self.modules[id].cfg.iter().cloned().chain(conditions(&child.attrs)).collect();
        let inside = join(folder, &name);
        let new = match child.content.take() {
            Some((_, items)) => self.add_module(file, &inside, path, Some(id), cfg, items),
            None => {
                let near = file.rsplit_once('/').map_or("", |(folder, _)| folder);
                let file = match explicit_path(&child.attrs) {
                    Some(explicit) => normal(&join(near, &explicit)),
                    None if self.texts.contains_key(&format!("{inside}.rs")) => format!("{inside}.rs"),
                    None => format!("{inside}/mod.rs"),
                };
                self.add_file(&file, path, Some(id), cfg)
            }
        };
        self.modules[id].names.entry(name).or_default().push(Binding::Module(new));
    }
}

/// The `*.rs` files in the folder and below, by path with slashes.
pub fn texts(folder: &Path) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    collect(folder, folder, &mut texts);
    texts
}

fn collect(root: &Path, folder: &Path, texts: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let inside = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            texts.insert(inside, fs::read_to_string(&path).unwrap());
        }
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The path without `..` and `.`.
fn normal(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn explicit_path(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("path") => match &meta.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}

/// The items within a top-level macro call, if it contains items. Otherwise the call itself.
fn expanded(item: Item) -> Vec<Item> {
    match &item {
        Item::Macro(call) if call.ident.is_none() => match syn::parse2::<syn::File>(call.mac.tokens.clone()) {
            Ok(file) => file.items.into_iter().chain([item]).collect(),
            Err(_) => vec![item],
        },
        _ => vec![item],
    }
}

/// The name that the item binds in its module.
pub fn name(item: &Item) -> Option<String> {
    Some(match item {
        Item::Const(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Fn(item) => item.sig.ident.to_string(),
        Item::Macro(item) => item.ident.as_ref()?.to_string(),
        Item::Static(item) => item.ident.to_string(),
        Item::Struct(item) => item.ident.to_string(),
        Item::Trait(item) => item.ident.to_string(),
        Item::TraitAlias(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        Item::Union(item) => item.ident.to_string(),
        _ => return None,
    })
}

pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The leaves of a `use`.
pub fn imports(item: &syn::ItemUse) -> Vec<Import> {
    let mut found = Vec::new();
    let stem = Import {
        path: Vec::new(),
        absolute: item.leading_colon.is_some(),
        name: None,
        visibility: item.vis.clone(),
        cfg: conditions(&item.attrs).into_iter().collect(),
    };
    leaves(&item.tree, stem, &mut found);
    found
}

fn leaves(tree: &UseTree, mut stem: Import, found: &mut Vec<Import>) {
    match tree {
        UseTree::Path(path) => {
            stem.path.push(path.ident.to_string());
            leaves(&path.tree, stem, found);
        }
        UseTree::Name(leaf) if leaf.ident == "self" => {
            stem.name = stem.path.last().cloned();
            found.push(stem);
        }
        UseTree::Name(leaf) => {
            stem.path.push(leaf.ident.to_string());
            stem.name = Some(leaf.ident.to_string());
            found.push(stem);
        }
        UseTree::Rename(leaf) => {
            if leaf.ident != "self" {
                stem.path.push(leaf.ident.to_string());
            }
            stem.name = Some(leaf.rename.to_string());
            found.push(stem);
        }
        UseTree::Glob(_) => found.push(stem),
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, stem.clone(), found)),
    }
}

/// The conditions under which the item is built, as text.
pub fn conditions(attributes: &[Attribute]) -> Vec<String> {
    let cfgs = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    cfgs.filter_map(|attribute| attribute.meta.require_list().ok())
        .map(|list| print::text(list.tokens.clone()))
        .collect()
}
