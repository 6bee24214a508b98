//! Makes a `libduckdb.so` that forwards DuckDB's C API to a Python module which contains it.
//!
//! The module exports the whole API but leaves Python's own symbols open, so it cannot be linked. The
//! library made here defines those (functions that abort, zeroed storage for data: Python is never
//! entered), loads the module when it is loaded itself, and has one jump per API function. The jump
//! costs a nanosecond. The module prefers its own symbols (`RTLD_DEEPBIND`): its initialisers call the
//! API before the jumps have targets. The module is looked for beside the forwarding library, then in the cache.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path, process::Command};

use anyhow::{Result, bail};

use super::{library_file_name, tool};

/// Makes the forwarding library for `folder/module`; `cached_at` is where the module will be kept.
pub(super) fn make(folder: &Path, module: &str, cached_at: &Path) -> Result<()> {
    let symbols = Symbols::read(&folder.join(module))?;
    let source = folder.join("forwarding.c");
    fs::write(&source, program(&symbols, module, &cached_at.join(module))?)?;
    let made = tool::output(
        tool::c_compiler()
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(folder.join(library_file_name()))
            .arg(&source)
            .arg(format!("-Wl,-soname,{}", library_file_name()))
            .arg("-ldl"),
    );
    fs::remove_file(&source)?;
    made.map(|_| ())
}

struct Symbols {
    api: BTreeSet<String>,
    python: BTreeSet<String>,
}

impl Symbols {
    fn read(module: &Path) -> Result<Self> {
        let list = |which: &str| -> Result<String> {
            let listed = tool::output(Command::new("nm").args(["-D", which]).arg(module))?;
            Ok(String::from_utf8(listed)?)
        };
        let symbols = Self {
            api: api(&list("--defined-only")?),
            python: python(&list("--undefined-only")?),
        };
        if symbols.api.is_empty() {
            bail!("the module does not export DuckDB's C API");
        }
        Ok(symbols)
    }
}

/// Functions of the API version that the binding calls, from `nm`'s lines `<address> T <name>`.
fn api(listing: &str) -> BTreeSet<String> {
    let functions = listing
        .lines()
        .filter_map(|line| line.split_once(" T ").map(|(_, name)| name.trim()));
    functions
        .filter(|name| name.starts_with("duckdb_v2_") || name.starts_with("duckdb_register_static"))
        .map(str::to_owned)
        .collect()
}

/// Python's names, from `nm`'s lines `U <name>`.
fn python(listing: &str) -> BTreeSet<String> {
    let names = listing.lines().filter_map(|line| line.trim().strip_prefix("U "));
    names
        .filter(|name| name.starts_with("Py") || name.starts_with("_Py"))
        .map(str::to_owned)
        .collect()
}

/// Whether a Python symbol is an object rather than a function, by CPython's naming.
fn is_data(name: &str) -> bool {
    name.starts_with("PyExc_")
        || name.ends_with("Type")
        || name.ends_with("Struct")
        || name == "_Py_EllipsisObject"
}

/// One jump through slot `index`, in the platform's assembly.
fn jump(index: usize) -> Result<String> {
    let offset = index * 8;
    Ok(match std::env::consts::ARCH {
        "x86_64" => format!("jmp *forwarding_slots+{offset}(%rip)"),
        "aarch64" => format!(
            "adrp x16, forwarding_slots+{offset}\\n ldr x16, [x16, :lo12:forwarding_slots+{offset}]\\n br x16"
        ),
        other => bail!("no forwarding code for {other}"),
    })
}

fn program(symbols: &Symbols, module: &str, cached: &Path) -> Result<String> {
    let mut c = String::from(
        "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n",
    );
    c.push_str(
        "static void entered(const char *name) { fprintf(stderr, \"libduckdb: %s is not available outside Python\\n\", name); abort(); }\n",
    );
    for name in &symbols.python {
        if is_data(name) {
            writeln!(c, "char {name}[4096] __attribute__((aligned(16)));")?;
        } else {
            writeln!(c, "void {name}(void) {{ entered(\"{name}\"); }}")?;
        }
    }
    let count = symbols.api.len();
    writeln!(
        c,
        "__attribute__((visibility(\"hidden\"))) void *forwarding_slots[{count}];"
    )?;
    for (index, name) in symbols.api.iter().enumerate() {
        writeln!(
            c,
            "__asm__(\".text\\n.globl {name}\\n.type {name}, %function\\n{name}: {}\\n.size {name}, .-{name}\\n\");",
            jump(index)?
        )?;
    }
    c.push_str("static const char *const names[] = {\n");
    for name in &symbols.api {
        writeln!(c, "\"{name}\",")?;
    }
    c.push_str("};\n");
    let cached = cached
        .display()
        .to_string()
        .replace('\\', "\\\\")
        .replace('"', "\\\"");
    write!(
        c,
        r#"
static void *open_module(void) {{
    char path[4096];
    Dl_info self;
    if (dladdr((void *)names, &self) && self.dli_fname && strlen(self.dli_fname) < sizeof path - 256) {{
        strcpy(path, self.dli_fname);
        char *end = strrchr(path, '/');
        strcpy(end ? end + 1 : path, "{module}");
        void *beside = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
        if (beside) return beside;
    }}
    return dlopen("{cached}", RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
}}
__attribute__((constructor)) static void forward(void) {{
    void *module = open_module();
    if (!module) {{
        fprintf(stderr, "libduckdb: %s\n", dlerror());
        exit(127);
    }}
    for (unsigned index = 0; index < sizeof names / sizeof *names; index++)
        forwarding_slots[index] = dlsym(module, names[index]);
}}
"#
    )?;
    Ok(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_listings() {
        let defined = "0000000003aa90a0 T duckdb_v2_library_version\n00000000038b75e0 T duckdb_library_version\n\
                       0000000001 V duckdb_v2_table\n0000000002 T _ZN6duckdb5ValueC1Ev\n";
        assert_eq!(
            api(defined).into_iter().collect::<Vec<_>>(),
            ["duckdb_v2_library_version"]
        );
        let undefined = "                 U PyLong_FromLong\n                 w __gmon_start__\n                 U _Py_NoneStruct\n                 U malloc@GLIBC_2.2.5\n";
        assert_eq!(
            python(undefined).into_iter().collect::<Vec<_>>(),
            ["PyLong_FromLong", "_Py_NoneStruct"]
        );
    }

    #[test]
    fn tells_objects_from_functions() {
        for object in [
            "PyExc_ValueError",
            "PyTuple_Type",
            "_Py_NoneStruct",
            "Py_GenericAliasType",
            "_PyWeakref_RefType",
        ] {
            assert!(is_data(object), "{object}");
        }
        for function in [
            "PyErr_SetObject",
            "PyLong_FromLong",
            "_PyObject_New",
            "PySys_GetObject",
        ] {
            assert!(!is_data(function), "{function}");
        }
    }
}
