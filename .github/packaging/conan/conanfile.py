"""A recipe of the sources that it lies in, with the system's libraries; not tested with Conan:

conan create .github/packaging/conan
"""
# SPDX-License-Identifier: MIT
import os

from conan import ConanFile
from conan.errors import ConanException
from conan.tools.files import copy, load
from conan.tools.gnu import PkgConfig


class Gsskey(ConanFile):
    name = "gsskey"
    version = "0.2.0"
    license = "MIT"
    description = "GSS-API security contexts and Linux kernel keyrings for C++20: headers only"
    package_type = "header-library"
    no_copy_source = True

    def export_sources(self):
        root = os.path.join(self.recipe_folder, "..", "..", "..")
        copy(self, "include/*", src=root, dst=self.export_sources_folder)
        copy(self, "LICENSE", src=root, dst=self.export_sources_folder)

    def package(self):
        copy(self, "*.hpp", src=os.path.join(self.source_folder, "include"), dst=os.path.join(self.package_folder, "include"))
        copy(self, "components.txt", src=os.path.join(self.source_folder, "include"), dst=self.package_folder)
        copy(self, "LICENSE", src=self.source_folder, dst=os.path.join(self.package_folder, "licenses"))

    def package_id(self):
        self.info.clear()

    def package_info(self):
        lines = load(self, os.path.join(self.package_folder, "components.txt")).splitlines()
        for name, needs, modules, _, _, definitions, flags, _ in (
                [cell.strip() for cell in line.split("|")] for line in lines if not line.startswith("#")):
            component = self.cpp_info.components[name]
            component.set_property("cmake_target_name", f"gsskey::{name}")
            component.set_property("pkg_config_name", f"gsskey-{name}")
            try:
                for module in modules.split():
                    PkgConfig(self, module.partition(">=")[0]).fill_cpp_info(component)
            except ConanException:
                self.output.info(f"gsskey::{name} is not usable here: pkg-config knows no {modules}")
            component.includedirs += ["include"]
            component.requires += needs.split()
            component.defines += definitions.split()
            component.system_libs += [flag.removeprefix("-l") for flag in flags.split() if flag.startswith("-l")]
            others = [flag for flag in flags.split() if not flag.startswith("-l")]
            component.cxxflags += [*others, "-fvisibility-inlines-hidden"]
            component.sharedlinkflags += others
            component.exelinkflags += others
