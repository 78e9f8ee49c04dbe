//! The items that a user of the crate can name, one line each.

use std::collections::{BTreeMap, BTreeSet};

use quote::quote;
use syn::{Attribute, Fields, Generics, ImplItem, Item, TraitItem, Type, Visibility};

use super::{
    Target, Tree, attributes, conditions,
    crates::{Crates, Visited},
    name,
    print::{notes, signature, text, without_attributes},
};

/// An item's defining module and name.
type Key = (usize, String);

#[derive(Default)]
pub struct Api {
    /// One line for each item, field, variant, method, implementation and further path.
    pub lines: BTreeSet<String>,
    /// The names at the root except modules.
    pub root: BTreeSet<String>,
    /// The crates that signatures name, each with the lines that name it.
    pub foreign: BTreeMap<String, BTreeSet<String>>,
}

/// A path under which an item is public, with the conditions on the way.
type Path = (String, BTreeSet<String>);

impl Tree {
    pub fn api(&self) -> Api {
        let mut reader = Reader { tree: self, public: BTreeMap::new(), open: Vec::new(), api: Api::default() };
        reader.module(0, "", &BTreeSet::new());
        reader.list();
        reader.api
    }
}

struct Reader<'a> {
    tree: &'a Tree,
    public: BTreeMap<Key, BTreeSet<Path>>,
    /// The modules being read, to stop at cycles of re-exports.
    open: Vec<usize>,
    api: Api,
}

impl Reader<'_> {
    /// Finds the public items of the module, which is public itself under the path.
    fn module(&mut self, id: usize, path: &str, cfg: &BTreeSet<String>) {
        if self.open.contains(&id) {
            return;
        }
        self.open.push(id);
        let tree = self.tree;
        for item in &tree.modules[id].items {
            if is_hidden(attributes(item)) {
                continue;
            }
            let cfg: BTreeSet<String> = cfg.iter().cloned().chain(conditions(attributes(item))).collect();
            match item {
                Item::Use(item) if is_public(&item.vis) => {
                    for import in super::imports(item) {
                        self.reexport(id, path, &import, &cfg);
                    }
                }
                Item::Mod(child) if is_public(&child.vis) => {
                    for target in tree.lookup(id, &child.ident.to_string()) {
                        if let Target::Module(target) = target {
                            self.public_module(target, &join(path, &child.ident.to_string()), &cfg);
                        }
                    }
                }
                item => {
                    if let Some(name) = name(item).filter(|_| visibility(item).is_some_and(is_public)) {
                        self.public_item((id, name.clone()), join(path, &name), cfg);
                    }
                }
            }
        }
        self.open.pop();
    }

    fn reexport(&mut self, id: usize, path: &str, import: &super::Import, cfg: &BTreeSet<String>) {
        for target in self.tree.resolve_import(id, import) {
            match (target, &import.name) {
                (Target::Item { module, name, .. }, Some(bound)) => {
                    let cfg = cfg.union(&self.tree.modules[module].cfg).cloned().collect();
                    self.public_item((module, name), join(path, bound), cfg);
                }
                (Target::Module(module), Some(bound)) => self.public_module(module, &join(path, bound), cfg),
                (Target::Module(module), None) => self.module(module, path, cfg),
                (Target::Foreign(foreign), bound) => {
                    let bound = join(path, bound.as_deref().unwrap_or("*"));
                    let line = format!("{bound}: pub use {}", foreign.join("::"));
                    self.api.foreign.entry(foreign[0].clone()).or_default().insert(line.clone());
                    self.api.lines.insert(line);
                }
                (Target::Item { .. }, None) => {}
            }
        }
    }

    fn public_module(&mut self, id: usize, path: &str, cfg: &BTreeSet<String>) {
        self.api.lines.insert(format!("{path}: pub mod{}", notes(&[], cfg)));
        self.module(id, path, cfg);
    }

    fn public_item(&mut self, key: Key, path: String, cfg: BTreeSet<String>) {
        if !path.contains("::") {
            self.api.root.insert(path.clone());
        }
        self.public.entry(key).or_default().insert((path, cfg));
    }

    /// The first of the shortest paths.
    fn canonical(&self, key: &Key) -> Option<&Path> {
        self.public.get(key)?.iter().min_by_key(|(path, _)| (path.matches("::").count(), path.clone()))
    }

    fn list(&mut self) {
        let tree = self.tree;
        for (key, paths) in self.public.clone() {
            let Some((canonical, cfg)) = self.canonical(&key).cloned() else { continue };
            for (path, cfg) in paths.iter().filter(|(path, _)| *path != canonical) {
                self.api.lines.insert(format!("{path}: pub use {canonical}{}", notes(&[], cfg)));
            }
            let items = tree.modules[key.0].items.iter().filter(|item| name(item).as_ref() == Some(&key.1));
            for item in items {
                let own = conditions(attributes(item)).into_iter().chain(cfg.iter().cloned()).collect();
                self.item(key.0, &canonical, item, &own);
            }
        }
        for (id, module) in tree.modules.iter().enumerate() {
            for item in &module.items {
                if let Item::Impl(item) = item {
                    self.implementation(id, item);
                }
            }
        }
    }

    fn line(&mut self, module: usize, path: &str, signature: String, types: &dyn Visited, notes: String) {
        let line = format!("{path}: {signature}{notes}");
        for name in Crates::named_by(types, self.tree, module) {
            self.api.foreign.entry(name).or_default().insert(line.clone());
        }
        self.api.lines.insert(line);
    }

    fn item(&mut self, id: usize, path: &str, item: &Item, cfg: &BTreeSet<String>) {
        let note = notes(attributes(item), cfg);
        match item {
            Item::Struct(item) => {
                let (name, generics, condition) = (&item.ident, &item.generics, &item.generics.where_clause);
                let hides = item.fields.iter().any(|field| !is_public(&field.vis));
                let body = if hides { " { .. }" } else { "" };
                let signature = format!("{}{body}", text(quote!(pub struct #name #generics #condition)));
                self.line(id, path, signature, &item.generics, note);
                self.derived(id, path, &item.attrs, &item.generics, name, cfg);
                self.fields(id, path, &item.fields, cfg, true);
            }
            Item::Enum(item) => {
                let (name, generics, condition) = (&item.ident, &item.generics, &item.generics.where_clause);
                self.line(id, path, text(quote!(pub enum #name #generics #condition)), &item.generics, note);
                self.derived(id, path, &item.attrs, &item.generics, name, cfg);
                for variant in item.variants.iter().filter(|variant| !is_hidden(&variant.attrs)) {
                    let own = conditions(&variant.attrs).into_iter().chain(cfg.iter().cloned()).collect();
                    let path = format!("{path}::{}", variant.ident);
                    let (name, fields) = (&variant.ident, without_attributes(&variant.fields));
                    self.line(id, &path, text(quote!(#name #fields)), &variant.fields, notes(&variant.attrs, &own));
                }
            }
            Item::Fn(item) => self.line(id, path, format!("pub {}", signature(&item.sig)), &item.sig, note),
            Item::Const(item) => {
                let (name, kind) = (&item.ident, &item.ty);
                self.line(id, path, text(quote!(pub const #name: #kind)), &**kind, note);
            }
            Item::Static(item) => {
                let (name, kind) = (&item.ident, &item.ty);
                self.line(id, path, text(quote!(pub static #name: #kind)), &**kind, note);
            }
            Item::Type(item) => {
                let (name, generics, kind) = (&item.ident, &item.generics, &item.ty);
                self.line(id, path, text(quote!(pub type #name #generics = #kind)), &**kind, note);
            }
            Item::Trait(item) => self.interface(id, path, item, cfg),
            other => self.line(id, path, format!("pub {}", name(other).unwrap_or_default()), &(), note),
        }
    }

    fn fields(&mut self, id: usize, path: &str, fields: &Fields, cfg: &BTreeSet<String>, only_public: bool) {
        for (at, field) in fields.iter().enumerate().filter(|(_, field)| !only_public || is_public(&field.vis)) {
            let name = field.ident.as_ref().map_or(at.to_string(), ToString::to_string);
            let own = conditions(&field.attrs).into_iter().chain(cfg.iter().cloned()).collect();
            let signature = format!("pub {name}: {}", text(&field.ty));
            self.line(id, &format!("{path}::{name}"), signature, &field.ty, notes(&field.attrs, &own));
        }
    }

    fn derived(
        &mut self,
        id: usize,
        path: &str,
        attributes: &[Attribute],
        generics: &Generics,
        own: &syn::Ident,
        cfg: &BTreeSet<String>,
    ) {
        let (_, bare, _) = generics.split_for_impl();
        let own = text(quote!(#own #bare));
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("derive")) {
            let _ = attribute.parse_nested_meta(|meta| {
                let name = meta.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
                self.line(id, path, format!("impl {name} for {own}"), &meta.path, notes(&[], cfg));
                Ok(())
            });
        }
    }

    fn interface(&mut self, id: usize, path: &str, item: &syn::ItemTrait, cfg: &BTreeSet<String>) {
        let (name, generics, above, condition) =
            (&item.ident, &item.generics, &item.supertraits, &item.generics.where_clause);
        let colon = (!above.is_empty()).then(|| quote!(:));
        let signature_ = text(quote!(pub trait #name #generics #colon #above #condition));
        self.line(id, path, signature_, &above.iter().collect::<Vec<_>>(), notes(&item.attrs, cfg));
        for part in &item.items {
            let (name, attributes, signature, types): (_, _, _, &dyn Visited) = match part {
                TraitItem::Fn(part) => {
                    let provided = if part.default.is_some() { " (provided)" } else { "" };
                    (&part.sig.ident, &part.attrs, format!("{}{provided}", signature(&part.sig)), &part.sig)
                }
                TraitItem::Type(part) => {
                    let bare = syn::TraitItemType { attrs: Vec::new(), ..part.clone() };
                    (&part.ident, &part.attrs, text(bare).replace(';', ""), part)
                }
                TraitItem::Const(part) => {
                    let (name, kind) = (&part.ident, &part.ty);
                    (&part.ident, &part.attrs, text(quote!(const #name: #kind)), &part.ty)
                }
                _ => continue,
            };
            if !is_hidden(attributes) {
                let own = conditions(attributes).into_iter().chain(cfg.iter().cloned()).collect();
                self.line(id, &format!("{path}::{name}"), signature, types, notes(attributes, &own));
            }
        }
    }

    fn implementation(&mut self, id: usize, item: &syn::ItemImpl) {
        let interface = item.trait_.as_ref().map(|(_, path, _)| path);
        let own = self.target(id, type_path(&item.self_ty));
        let home = match (own.and_then(|key| self.canonical(&key).cloned()), interface) {
            (Some(home), Some(interface)) => match self.target(id, Some(interface)) {
                // A private trait of a public type is invisible to users.
                Some(key) if self.canonical(&key).is_none() => return,
                _ => home,
            },
            (Some(home), None) => home,
            (None, interface) => match self.target(id, interface).and_then(|key| self.canonical(&key).cloned()) {
                Some(home) => home,
                None => return,
            },
        };
        let (path, mut cfg) = home;
        cfg.extend(self.tree.modules[id].cfg.iter().cloned().chain(conditions(&item.attrs)));
        let (generics, _, condition) = item.generics.split_for_impl();
        let self_type = &item.self_ty;
        if let Some(interface) = interface {
            let last = interface.segments.last();
            let types = item.items.iter().filter_map(|part| match part {
                ImplItem::Type(part) => Some((&part.ident, &part.ty)),
                _ => None,
            });
            let types: Vec<String> = types.map(|(name, kind)| text(quote!(type #name = #kind;))).collect();
            let body = if types.is_empty() { String::new() } else { format!(" {{ {} }}", types.join(" ")) };
            let signature = text(quote!(impl #generics #last for #self_type #condition)) + &body;
            let interface: &dyn Visited = interface;
            self.line(id, &path, signature, &(interface, &item.generics, &**self_type), notes(&item.attrs, &cfg));
            return;
        }
        let has_arguments = type_path(self_type)
            .and_then(|path| path.segments.last())
            .is_some_and(|segment| !segment.arguments.is_none());
        let within = text(quote!(impl #generics #self_type #condition));
        let within = if has_arguments { format!(" (in {within})") } else { String::new() };
        for part in &item.items {
            let (name, attributes, signature, types): (_, _, _, &dyn Visited) = match part {
                ImplItem::Fn(part) if is_public(&part.vis) => {
                    (&part.sig.ident, &part.attrs, format!("pub {}{within}", signature(&part.sig)), &part.sig)
                }
                ImplItem::Const(part) if is_public(&part.vis) => {
                    let (name, kind) = (&part.ident, &part.ty);
                    (&part.ident, &part.attrs, text(quote!(pub const #name: #kind)), &part.ty)
                }
                _ => continue,
            };
            if !is_hidden(attributes) {
                let own = cfg.iter().cloned().chain(conditions(attributes)).collect();
                self.line(id, &format!("{path}::{name}"), signature, types, notes(attributes, &own));
            }
        }
    }

    fn target(&self, id: usize, path: Option<&syn::Path>) -> Option<Key> {
        let path = path?;
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let targets = self.tree.resolve(id, &names, path.leading_colon.is_some());
        targets.into_iter().find_map(|target| match target {
            Target::Item { module, name, .. } => Some((module, name)),
            _ => None,
        })
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}::{name}") }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn visibility(item: &Item) -> Option<&Visibility> {
    Some(match item {
        Item::Const(item) => &item.vis,
        Item::Enum(item) => &item.vis,
        Item::Fn(item) => &item.vis,
        Item::Static(item) => &item.vis,
        Item::Struct(item) => &item.vis,
        Item::Trait(item) => &item.vis,
        Item::Type(item) => &item.vis,
        Item::Union(item) => &item.vis,
        _ => return None,
    })
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("doc")
            && attribute.meta.require_list().is_ok_and(|list| text(&list.tokens) == "hidden")
    })
}

fn type_path(kind: &Type) -> Option<&syn::Path> {
    match kind {
        Type::Path(kind) => Some(&kind.path),
        Type::Reference(kind) => type_path(&kind.elem),
        _ => None,
    }
}
