// Package config reads config.yaml: strictly, with every mistake told at once and where it stands.
//
// A file goes one way: text, syntax tree, Config with its defaults, checks. The tree is decoded by the
// struct tags of the types here and of the adapters' own Config structs, so a new setting is one field.
package config
