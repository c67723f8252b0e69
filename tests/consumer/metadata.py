"""What tools read of gsskey: files of the Common Package Specification, and the SBOM, beside components.txt and the headers."""
# SPDX-License-Identifier: MIT
import hashlib
import json
import re
import subprocess
import sys

# What SPDX 2.3 wants of each.
REQUIRED = {
    "document": ["spdxVersion", "dataLicense", "SPDXID", "name", "documentNamespace", "creationInfo", "packages", "files",
                 "relationships"],
    "packages": ["SPDXID", "name", "downloadLocation"],
    "files": ["SPDXID", "fileName", "checksums"],
    "relationships": ["spdxElementId", "relationshipType", "relatedSpdxElement"],
}


def equal(what, seen, wanted):
    if seen != wanted:
        sys.exit(f"{what}: {seen}, not {wanted}")


def table(source):
    for line in (source / "include/components.txt").read_text().splitlines():
        if line[0] != "#":
            yield [cell.strip() for cell in line.split("|")]


def check_cps(prefix, source, version):
    for name, needs, modules, _, _, definitions, flags, _ in table(source):
        file = prefix / f"share/cps/gsskey-{name}.cps"
        package = json.loads(file.read_text())
        component = package["components"][name]
        foreign = [module.partition(">=")[0] for module in modules.split()]
        equal(f"{file}: its name", package["name"], file.stem)
        equal(f"{file}: its version", package["version"], version)
        equal(f"{file}: its place", package["cps_path"].replace("@prefix@", str(prefix)), str(file.parent))
        equal(f"{file}: the headers", component["includes"], ["@prefix@/include"])
        equal(f"{file}: other packages", list(package["requires"]), [*(f"gsskey-{each}" for each in needs.split()), *foreign])
        equal(f"{file}: other components", component["requires"], [*(f"gsskey-{each}:{each}" for each in needs.split()), *foreign])
        defined = [key if value is None else f"{key}={value}" for key, value in component["definitions"]["*"].items()]
        equal(f"{file}: definitions", defined, definitions.split())
        compiled = [flag for flag in flags.split() if not flag.startswith("-l")]
        equal(f"{file}: for the compiler", component["compile_flags"], [*compiled, "-fvisibility-inlines-hidden"])
        equal(f"{file}: for the linker", component["link_flags"], flags.split())


def check_sbom(path, prefix, source, version):
    document = json.loads(path.read_text())
    equal("its form", document["spdxVersion"], "SPDX-2.3")
    for kind, fields in REQUIRED.items():
        for entry in [document] if kind == "document" else document[kind]:
            equal(f"missing in {entry.get('name', entry)}", [field for field in fields if not entry.get(field)], [])
    parts = [document, *document["packages"], *document["files"]]
    names = {part["SPDXID"] for part in parts}
    equal("parts that have a name of their own", len(names), len(parts))
    equal("names of another form", [name for name in names if not re.fullmatch("SPDXRef-[A-Za-z0-9.-]+", name)], [])
    for relation in document["relationships"]:
        equal("ends that are not there", {relation["spdxElementId"], relation["relatedSpdxElement"]} - names, set())

    seen = {file["fileName"]: file["checksums"][1]["checksumValue"] for file in document["files"]}
    headers = [file for file in (prefix / "include").rglob("*") if file.is_file()]
    equal("headers", seen, {f"./{file.relative_to(prefix)}": hashlib.sha256(file.read_bytes()).hexdigest() for file in headers})

    packages = {package["name"]: package.get("versionInfo", "") for package in document["packages"]}
    wanted = {"gsskey": version, "tl-expected": ""}
    for name, _, modules, header, *_ in table(source):
        if header:
            wanted[name] = ""
        for module in (module.partition(">=")[0] for module in modules.split()):
            wanted[module] = subprocess.run(["pkg-config", "--modversion", module], stdout=subprocess.PIPE, text=True).stdout.strip()
    equal("packages and versions", packages, wanted)
