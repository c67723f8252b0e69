#!/usr/bin/env python3
"""Writes what is delivered, as SPDX 2.3 (JSON): each header with its checksums, and the libraries of include/components.txt,
with the version that was found, where it was. SOURCE_DATE_EPOCH is the time of its making.

sbom.py SOURCE_ROOT OUTPUT [MODULE=VERSION]...        meson compile -C build sbom
"""
# SPDX-License-Identifier: MIT
import hashlib
import json
import os
import re
import sys
import time
from pathlib import Path

HOLDER = "The gsskey authors"
UNSAID = "NOASSERTION"


def described(path, include):
    content = path.read_bytes()
    name = f"./include/{path.relative_to(include)}"
    return {
        "SPDXID": "SPDXRef-File" + re.sub("[^A-Za-z0-9]+", "-", name[1:]),
        "fileName": name,
        "fileTypes": ["SOURCE"],
        "checksums": [{"algorithm": kind, "checksumValue": hashlib.new(kind, content).hexdigest()}
                      for kind in ("SHA1", "SHA256")],
        "licenseConcluded": "MIT",
        "licenseInfoInFiles": ["MIT"],
        "copyrightText": f"2026 {HOLDER}",
    }


def libraries(table):
    """Name, least version and Debian package of each."""
    yield "tl-expected", "", "libexpected-dev"
    for line in table.read_text().splitlines():
        if line[0] == "#":
            continue
        name, _, modules, header, package, *_ = [cell.strip() for cell in line.split("|")]
        for module in modules.split():
            yield *re.fullmatch("(.*?)(?:>=(.*))?", module).groups(""), package
        if header:
            yield name, "", package


def library(name, least, package, found):
    told = {
        "SPDXID": f"SPDXRef-Package-{name}",
        "name": name,
        "downloadLocation": UNSAID,
        "filesAnalyzed": False,
        "licenseConcluded": UNSAID,
        "licenseDeclared": UNSAID,
        "copyrightText": UNSAID,
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                          "referenceLocator": f"pkg:deb/debian/{package}"}],
    }
    if least:
        told["comment"] = f"version {least} or newer"
    if name in found:
        told["versionInfo"] = found[name]
    return told


def document(root, found):
    include = root / "include"
    defined = re.findall(r"^#define GSSKEY_VERSION_\w+ (\d+)", (include / "gsskey/core/config.hpp").read_text(), re.MULTILINE)
    version = ".".join(defined)
    files = [described(path, include) for path in sorted(include.glob("gsskey/**/*")) if path.is_file()]
    sums = "".join(sorted(file["checksums"][0]["checksumValue"] for file in files))
    code = hashlib.sha1(sums.encode()).hexdigest()
    others = [library(*one, found) for one in libraries(include / "components.txt")]
    gsskey = {
        "SPDXID": "SPDXRef-Package-gsskey",
        "name": "gsskey",
        "versionInfo": version,
        "supplier": f"Organization: {HOLDER}",
        "downloadLocation": UNSAID,
        "primaryPackagePurpose": "LIBRARY",
        "filesAnalyzed": True,
        "packageVerificationCode": {"packageVerificationCodeValue": code},
        "licenseConcluded": "MIT",
        "licenseDeclared": "MIT",
        "licenseInfoFromFiles": ["MIT"],
        "copyrightText": f"2026 {HOLDER}",
    }
    made = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())))
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", gsskey["SPDXID"])]
    relations += [(gsskey["SPDXID"], "CONTAINS", file["SPDXID"]) for file in files]
    relations += [(other["SPDXID"], "OPTIONAL_DEPENDENCY_OF", gsskey["SPDXID"]) for other in others]
    told = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"gsskey-{version}",
        "creationInfo": {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ", made),
                         "creators": [f"Organization: {HOLDER}", "Tool: sbom.py"]},
        "packages": [gsskey, *others],
        "files": files,
        "relationships": [{"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
                          for one, kind, other in relations],
    }
    own = hashlib.sha1(json.dumps(told).encode()).hexdigest()
    return told | {"documentNamespace": f"https://spdx.org/spdxdocs/gsskey-{version}-{own}"}  # of no other document


def main(root, output, *found):
    told = document(Path(root), dict(one.split("=", 1) for one in found))
    Path(output).write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
