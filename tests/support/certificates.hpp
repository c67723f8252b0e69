// tests/support/certificates: RSA keys and X.509 certificates made by the openssl command, and what else it does.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

namespace support {

/// Files in a folder of their own, which goes at the end.
class Certificates {
 public:
  [[nodiscard]] static bool can_make() { return std::system("openssl version > /dev/null 2>&1") == 0; }

  Certificates() {
    std::string name = std::filesystem::temp_directory_path() / "gsskey-certificates-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"mkdtemp"};
    folder_ = name;
    write("config",
          "[req]\ndistinguished_name=name\nprompt=no\n[name]\nCN=nobody\n"
          "[authority]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign,digitalSignature\n"
          "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n");
  }
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;
  ~Certificates() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  /// NAME.key and NAME.pem, signed by `issuer` or by itself; returns the certificate in DER. `algorithm` is that of
  /// the key, as `openssl req -newkey` takes it.
  std::string make(const std::string& name, const std::string& issuer = {}, const std::string& algorithm = "rsa:2048") {
    const std::string request = "openssl req -new -newkey " + algorithm +
                                " -nodes -sha256 -config config -subj /CN=" + name + " -keyout " + name + ".key ";
    if (issuer.empty()) {
      run(request + "-x509 -days 30 -extensions authority -out " + name + ".pem");
    } else {
      run(request + "-out " + name + ".csr");
      run("openssl x509 -req -sha256 -days 30 -in " + name + ".csr -CA " + issuer + ".pem -CAkey " + issuer +
          ".key -CAcreateserial -extfile config -extensions authority -out " + name + ".pem");
    }
    run("openssl x509 -in " + name + ".pem -outform DER -out " + name + ".der");
    return read(name + ".der");
  }

  void run(const std::string& command) const {
    if (std::system(("cd '" + folder_.string() + "' && " + command + " > log 2>&1").c_str()) != 0) {
      throw std::runtime_error{command + ": " + read("log")};
    }
  }
  void write(const std::string& name, std::string_view bytes) const {
    std::ofstream{folder_ / name, std::ios::binary} << bytes;
  }
  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream file{folder_ / name, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace support
