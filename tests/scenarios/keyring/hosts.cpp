// What hosts do with keys, written as they would write it (examples/hosts), on the real kernel.
#include "../../../examples/hosts/disk_key.hpp"
#include "../../../examples/hosts/fscrypt.hpp"
#include "../../../examples/hosts/password_cache.hpp"
#include "../../../examples/hosts/secret_store.hpp"
#include "../../../examples/hosts/service_keys.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/session.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using key_type::Logon;
using key_type::User;
using support::Answers;
using support::error_of;
using support::must;
using support::outcome;

namespace {

/// `work(answers)` as this user and, where that can be, as nobody: with the same answers.
template <class Work>
void as_each(Work work, const Answers& wanted) {
  CHECK(support::as_user(::geteuid(), work) == wanted);
  if (::geteuid() == 0) CHECK(support::as_user(support::nobody, work) == wanted);
}

int run(const std::string& command) { return std::system((command + " >/dev/null 2>&1").c_str()); }

/// An ext4 in a file, with encryption, mounted as long as this lives.
class EncryptedFileSystem {
 public:
  EncryptedFileSystem() {
    REQUIRE(::mkdtemp(place_.data()) != nullptr);
    std::filesystem::create_directory(folder());
    is_mounted_ = run("truncate -s 16M " + image() + " && mkfs.ext4 -q -O encrypt " + image()) == 0 && mount();
  }
  EncryptedFileSystem(const EncryptedFileSystem&) = delete;
  EncryptedFileSystem& operator=(const EncryptedFileSystem&) = delete;
  ~EncryptedFileSystem() {
    if (is_mounted_) CHECK(unmount());
    std::filesystem::remove_all(place_);
  }
  [[nodiscard]] bool is_mounted() const { return is_mounted_; }
  [[nodiscard]] std::string folder() const { return place_ + "/mounted"; }
  void mount_again() {
    is_mounted_ = !unmount();
    REQUIRE_FALSE(is_mounted_);
    is_mounted_ = mount();
    REQUIRE(is_mounted_);
  }
  [[nodiscard]] Result<fscrypt_key_specifier> unlocked_with(KeyRef<FscryptProvisioning> key) const {
    const int mount_point = ::open(folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto name = unlock(mount_point, key);
    ::close(mount_point);
    return name;
  }

 private:
  [[nodiscard]] std::string image() const { return place_ + "/image"; }
  [[nodiscard]] bool mount() const { return run("mount -o loop " + image() + ' ' + folder()) == 0; }
  [[nodiscard]] bool unmount() const { return run("umount " + folder()) == 0; }

  std::string place_ = "/tmp/gsskey-fscrypt-XXXXXX";
  bool is_mounted_ = false;
};

}  // namespace

TEST_CASE("a secret store: added, replaced, removed, added again, and nothing left") {
  const support::Session session;
  as_each(
      [](Answers& found) {
        {
          SecretStore store = must(SecretStore::open("gsskey-test-store"));
          for (int round = 0; round < 3; ++round) {
            must(store.put("rgw/key", "first", std::chrono::minutes{10}));
            must(store.put("rgw/key", "second", std::chrono::minutes{10}));
            found.push_back(must(store.get("rgw/key")).text() == "second");
            std::thread{[&] { found.push_back(must(store.get("rgw/key")).text() == "second"); }}.join();
            store.remove("rgw/key");
            found.push_back(outcome(store.get("rgw/key")));
            store.remove("rgw/key");
          }
          must(store.put("rgw/key", "third", std::chrono::minutes{10}));
          found.push_back(outcome(store.put("late", "x", std::chrono::seconds{-1})));
        }
        found.push_back(static_cast<long>(must(must(Keyring::session()).members()).size()));
      },
      {1, 1, ENOKEY, 1, 1, ENOKEY, 1, 1, ENOKEY, -1, 0});
}

TEST_CASE("passwords of a user, in all sessions, for a while") {
  const support::Session session;
  as_each(
      [](Answers& found) {
        const std::string name = "gsskey-test:password";
        found.push_back(outcome(remembered(name)));
        must(remember(name, "first"));
        must(remember(name, "second"));
        must(Keyring::join_session());  // somewhere else
        std::thread{[&] {
          found.push_back(must(remembered(name)).text() == std::string_view{"first\0second\0", 13});
        }}.join();
        const auto ring = must(possessed_user_ring());
        const auto key = must(ring.search<User>(name));
        {
          const auto keys = must(ProcKeys::acquire());
          found.push_back(must(keys.find(key)).timeout == "perm");
        }
        must(ring.unlink(key));
        found.push_back(outcome(remembered(name)));
      },
      {ENOKEY, 1, 0, ENOKEY});
}

TEST_CASE("a disk's key is there while the disk is set up, for nobody to read, and gone then") {
  const support::Session session;
  as_each(
      [](Answers& found) {
        KeyRef<Logon> seen;
        const auto activate = [&](const std::string& table) -> Result<void> {
          found.push_back(table == "0 2048 crypt aes-xts-plain64 :64:logon:cryptsetup:root-d0 0 /dev/sda2 0");
          seen = must(request_key<Logon>("cryptsetup:root-d0"));  // as the driver does
          found.push_back(outcome(AnyKeyRef::from_serial(seen.serial()).read()));
          return {};
        };
        found.push_back(outcome(set_up_disk("root", "/dev/sda2", 2048, std::string(64, 'k'), activate)));
        found.push_back(outcome(request_key<Logon>("cryptsetup:root-d0")));
        const auto refuse = [](const std::string&) -> Result<void> {
          return unexpected(Error::system("DM_TABLE_LOAD", EINVAL));
        };
        found.push_back(outcome(set_up_disk("root", "/dev/sda2", 2048, std::string(64, 'k'), refuse)));
        found.push_back(outcome(request_key<Logon>("cryptsetup:root-d0")));
      },
      {1, EOPNOTSUPP, 0, ENOKEY, EINVAL, ENOKEY});
}

TEST_CASE("a service's keys are in a session of its own, however it was started") {
  const support::Session session;
  as_each(
      [](Answers& found) {
        ::unsetenv("INVOCATION_ID");
        const auto before = must(Keyring::session());
        {
          const auto ring = must(open_service_ring());  // from a shell: the session is the caller's
          found.push_back(must(Keyring::session()) == before);
          found.push_back(ring.ring() == must(Keyring::session()));
        }
        // As systemd prepares it.
        const auto own = must(Keyring::join_session());
        unsigned char id[16];
        for (unsigned at = 0; at < 16; ++at) id[at] = static_cast<unsigned char>(at * 17);
        must(own.upsert(User{"invocation_id"}, id));
        ::setenv("INVOCATION_ID", "00112233445566778899aabbccddeeff", 1);
        {
          const auto ring = must(open_service_ring());
          found.push_back(must(Keyring::session()) == own);
        }
        ::setenv("INVOCATION_ID", "ff112233445566778899aabbccddeeff", 1);  // KeyringMode=inherit: somebody else's
        const auto ring = must(open_service_ring());
        found.push_back(must(Keyring::session()) == own);
      },
      {0, 1, 1, 0});
}

TEST_CASE("an encrypted folder is unlocked with a key that no program reads") {
  const support::Session session;
  if (::geteuid() != 0) return support::skip("only root mounts");
  EncryptedFileSystem disk;
  if (!disk.is_mounted()) return support::skip("no mkfs.ext4, no loop devices, or an ext4 without encryption");
  const auto key = provide(*session, {"gsskey-test:folder"}, std::string(64, 'k'));
  if (!key && error_of(key) == ENODEV) return support::skip("this kernel has no fscrypt-provisioning keys");
  REQUIRE(key);
  CHECK(error_of(AnyKeyRef::from_serial(key->serial()).read()) == EOPNOTSUPP);

  const auto name = must(disk.unlocked_with(*key));
  const std::string folder = disk.folder() + "/secrets";
  std::filesystem::create_directory(folder);
  ::fscrypt_policy_v2 policy{};
  policy.version = FSCRYPT_POLICY_V2;
  policy.contents_encryption_mode = FSCRYPT_MODE_AES_256_XTS;
  policy.filenames_encryption_mode = FSCRYPT_MODE_AES_256_CTS;
  policy.flags = FSCRYPT_POLICY_FLAGS_PAD_32;
  std::memcpy(policy.master_key_identifier, name.u.identifier, sizeof policy.master_key_identifier);
  const int secrets = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  CHECK(::ioctl(secrets, FS_IOC_SET_ENCRYPTION_POLICY, &policy) == 0);
  ::close(secrets);
  std::ofstream{folder + "/plan"} << "the plan";

  disk.mount_again();  // locked
  CHECK_FALSE(std::filesystem::exists(folder + "/plan"));
  CHECK(disk.unlocked_with(*key));
  std::string text;
  std::getline(std::ifstream{folder + "/plan"}, text);
  CHECK(text == "the plan");
}
