// gsskey/krb5/detail/login_options: options of a login, as libkrb5 has them, and its questions. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/shared_text.hpp>
#include <gsskey/core/detail/text.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/limits.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/krb5/detail/kdc_exchange.hpp>
#include <gsskey/krb5/detail/libkrb5.hpp>
#include <gsskey/krb5/login_options.hpp>
#include <gsskey/krb5/ticket_cache.hpp>

#if defined(GSSKEY_GSS_KRB5_H) && !defined(GSSKEY_GSS_DLOPEN)  // as in krb5/credential.hpp

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

/// The secret, with a NUL behind it.
[[nodiscard]] inline Result<SecretBytes> terminated(const char* operation, ByteView secret) noexcept {
  if (!limits.password.admits(secret.size())) return unexpected(too_long(operation, limits.password));
  if (contains(secret.text(), '\0')) return unexpected(Error::usage(operation, "the password contains a NUL byte"));
  auto text = SecretBytes::with_size(secret.size() + 1);
  if (!text) return unexpected(std::move(text).error());
  if (!secret.empty()) std::memcpy(text->data(), secret.data(), secret.size());
  return text;
}

/// Who answers, and why he did not. libkrb5 makes of that a code of its own, or goes on another way.
struct Answerer {
  LoginAnswers answers{};
  std::optional<Error> failure{};

  [[nodiscard]] Result<SecretBytes> ask(const LoginQuestion& question) noexcept {
#if defined(__cpp_exceptions)
    try {
      return answers(question);
    } catch (...) {
      return unexpected(Error::usage("LoginAnswers", "the function that answers threw an exception"));
    }
#else
    return answers(question);
#endif
  }
};

#ifdef GSSKEY_GSS_KDC_EXCHANGE

/// Puts the questions of one moment.
class Questions {
 public:
  Questions(krb5_context context, krb5_responder_context responder, Answerer& answerer) noexcept
      : context_{context}, responder_{responder}, answerer_{answerer} {}

  [[nodiscard]] Result<void> put() noexcept {
    const char* const* questions = krb5_responder_list_questions(context_, responder_);
    for (; questions != nullptr && *questions != nullptr; ++questions) {
      const std::string_view question{*questions};
      Result<void> done;
      if (question == KRB5_RESPONDER_QUESTION_PASSWORD) done = put_password();
      if (question == KRB5_RESPONDER_QUESTION_OTP) done = put_tokens();
      if (question == KRB5_RESPONDER_QUESTION_PKINIT) done = put_pins();
      if (!done) return done;
    }
    return {};
  }

 private:
  /// `set` gets the answer, if there is one.
  template <class Set>
  [[nodiscard]] Result<void> put(const char* operation, const LoginQuestion& question, Set set) noexcept {
    auto answer = answerer_.ask(question);
    if (!answer) return unexpected(std::move(answer).error());
    is_answered_ = answer->size() != 0;
    if (!is_answered_) return {};
    auto text = terminated(operation, *answer);
    if (!text) return unexpected(std::move(text).error());
    const krb5_error_code code = set(reinterpret_cast<const char*>(text->data()));
    if (code != 0) return unexpected(failed_krb5(context_, operation, code));
    return {};
  }
  [[nodiscard]] Result<void> put_password() noexcept {
    return put("krb5_responder_set_answer", {.kind = LoginQuestion::Kind::password}, [&](const char* answer) {
      return krb5_responder_set_answer(context_, responder_, KRB5_RESPONDER_QUESTION_PASSWORD, answer);
    });
  }
  /// The first token that there is an answer for is the one that is used.
  [[nodiscard]] Result<void> put_tokens() noexcept {
    krb5_responder_otp_challenge* challenge = nullptr;
    const krb5_error_code code = krb5_responder_otp_get_challenge(context_, responder_, &challenge);
    if (code != 0) return unexpected(failed_krb5(context_, "krb5_responder_otp_get_challenge", code));
    Result<void> done;
    is_answered_ = false;
    for (std::size_t index = 0; done && !is_answered_ && challenge->tokeninfo[index] != nullptr; ++index) {
      const auto& token = *challenge->tokeninfo[index];
      done = put("krb5_responder_otp_set_answer",
                 {LoginQuestion::Kind::one_time_password, text_of(token.vendor), text_of(token.challenge)},
                 [&](const char* answer) {
                   return krb5_responder_otp_set_answer(context_, responder_, index, answer, nullptr);
                 });
    }
    krb5_responder_otp_challenge_free(context_, responder_, challenge);
    return done;
  }
  [[nodiscard]] Result<void> put_pins() noexcept {
    krb5_responder_pkinit_challenge* challenge = nullptr;
    const krb5_error_code code = krb5_responder_pkinit_get_challenge(context_, responder_, &challenge);
    if (code != 0) return unexpected(failed_krb5(context_, "krb5_responder_pkinit_get_challenge", code));
    Result<void> done;
    for (auto** identity = challenge->identities; done && *identity != nullptr; ++identity) {
      done = put("krb5_responder_pkinit_set_answer", {LoginQuestion::Kind::pin, text_of((*identity)->identity)},
                 [&](const char* answer) {
                   return krb5_responder_pkinit_set_answer(context_, responder_, (*identity)->identity, answer);
                 });
    }
    krb5_responder_pkinit_challenge_free(context_, responder_, challenge);
    return done;
  }
  [[nodiscard]] static std::string_view text_of(const char* text) noexcept { return text == nullptr ? "" : text; }

  krb5_context context_;
  krb5_responder_context responder_;
  Answerer& answerer_;
  bool is_answered_ = false;
};

/// What libkrb5 calls. After this code it tries nothing else.
[[nodiscard]] inline krb5_error_code put_questions(krb5_context context, void* data,
                                                   krb5_responder_context responder) noexcept {
  auto& answerer = *static_cast<Answerer*>(data);
  auto done = Questions{context, responder, answerer}.put();
  if (done) return 0;
  answerer.failure = std::move(done).error();
  return KRB5_LIBOS_PWDINTR;
}

/// What libkrb5 calls where there was no answer: without anybody it calls a null pointer for a password of one time.
[[nodiscard]] inline krb5_error_code nobody_to_ask(krb5_context, void*, const char*, const char*, int,
                                                   krb5_prompt*) noexcept {
  return KRB5_LIBOS_CANTREADPWD;
}

/// The options of a login, which live as long as it.
class InitialOptions {
 public:
  InitialOptions() noexcept = default;
  InitialOptions(const InitialOptions&) = delete;
  InitialOptions& operator=(const InitialOptions&) = delete;
  ~InitialOptions() {
    if (options_ != nullptr) krb5_get_init_creds_opt_free(context_, options_);
  }

  /// `identity`: of PKINIT, or nullptr.
  [[nodiscard]] Result<void> set(const ExchangeParts& parts, InitialTicketOptions&& wanted,
                                 const char* identity) noexcept {
    context_ = parts.context.get();
    if (auto done = call("krb5_get_init_creds_opt_alloc", krb5_get_init_creds_opt_alloc, &options_); !done) return done;
    if (auto done = set_pkinit("X509_user_identity", identity); !done) return done;
    if (auto done = set_pkinit("X509_anchors", wanted.anchors); !done) return done;
    if (wanted.answers) {
      answerer.answers = std::move(wanted.answers);
      auto done = call("krb5_get_init_creds_opt_set_responder", krb5_get_init_creds_opt_set_responder, options_,
                       &put_questions, &answerer);
      if (!done) return done;
    }
    if (wanted.armor != nullptr) return set_armor(parts, *wanted.armor, wanted.or_without_armor);
    return {};
  }
  [[nodiscard]] krb5_get_init_creds_opt* get() const noexcept { return options_; }

  Answerer answerer;

 private:
  template <class Function, class... Arguments>
  [[nodiscard]] Result<void> call(const char* operation, Function function, Arguments... arguments) noexcept {
    const krb5_error_code code = function(context_, arguments...);
    if (code != 0) return unexpected(failed_krb5(context_, operation, code));
    return {};
  }
  [[nodiscard]] Result<void> set_pkinit(const char* attribute, const char* value) noexcept {
    if (value == nullptr) return {};
    return call("krb5_get_init_creds_opt_set_pa", krb5_get_init_creds_opt_set_pa, options_, attribute, value);
  }
  /// An armor of which there is no ticket for the realm is an error here: libkrb5 would ask KDCs for one itself.
  [[nodiscard]] Result<void> set_armor(const ExchangeParts& parts, const TicketCache& armor, bool or_without) noexcept {
    constexpr const char* operation = "krb5_get_init_creds_opt_set_fast_ccache";
    if (!armor) return unexpected(Error::usage(operation, "the cache of the armor is empty: moved from, or never set"));
    const auto text = gsskey::detail::SharedText::joined(
        {"krbtgt/", parts.name.realm(), "@", parts.name.realm(), gsskey::detail::view_of("", 1)});
    if (!text) return unexpected(Error::system("malloc", ENOMEM));
    krb5_creds wanted{};
    krb5_creds* ticket = nullptr;
    auto found = call("krb5_parse_name", krb5_parse_name, text.view().data(), &wanted.server);
    if (found) found = call("krb5_cc_get_principal", krb5_cc_get_principal, armor.get(), &wanted.client);
    if (found) {
      found =
          call("krb5_get_credentials", krb5_get_credentials, krb5_flags{KRB5_GC_CACHED}, armor.get(), &wanted, &ticket);
    }
    krb5_free_creds(context_, ticket);
    krb5_free_principal(context_, wanted.client);
    krb5_free_principal(context_, wanted.server);
    if (!found) return found;
    if (auto done = call(operation, krb5_get_init_creds_opt_set_fast_ccache, options_, armor.get()); !done) return done;
    if (or_without) return {};
    return call("krb5_get_init_creds_opt_set_fast_flags", krb5_get_init_creds_opt_set_fast_flags, options_,
                krb5_flags{KRB5_FAST_REQUIRED});
  }

  krb5_context context_ = nullptr;
  krb5_get_init_creds_opt* options_ = nullptr;
};

#else

inline constexpr krb5_prompter_fct nobody_to_ask = nullptr;

class InitialOptions {
 public:
  [[nodiscard]] Result<void> set(const ExchangeParts&, InitialTicketOptions&&, const char*) noexcept { return {}; }
  [[nodiscard]] krb5_get_init_creds_opt* get() const noexcept { return nullptr; }

  Answerer answerer;
};

#endif

/// The calls for a login.
struct InitialCalls {
  using Handle = krb5_init_creds_context;
  using Needs = InitialOptions;
  static constexpr const char* operation = "krb5_init_creds_step";
  static constexpr unsigned more = KRB5_INIT_CREDS_STEP_FLAG_CONTINUE;
  static void free(krb5_context context, Handle handle) noexcept { krb5_init_creds_free(context, handle); }
  [[nodiscard]] static krb5_error_code step(krb5_context context, Handle handle, krb5_data* in, krb5_data* out,
                                            krb5_data* realm, unsigned* flags) noexcept {
    return gss_detail::krb5_init_creds_step(context, handle, in, out, realm, flags);
  }
  /// Why there was no answer, if there was none; else the words of libkrb5.
  [[nodiscard]] static Error failure(const ExchangeParts& parts, Needs& options, krb5_error_code code) noexcept {
    if (options.answerer.failure) return *std::exchange(options.answerer.failure, std::nullopt);
    return failed_krb5(parts.context.get(), operation, code);
  }
  [[nodiscard]] static Result<void> finish(const ExchangeParts& parts, const Needs&, Handle handle, bool) noexcept {
    const krb5_context context = parts.context.get();
    krb5_creds ticket{};
    krb5_error_code code = krb5_init_creds_get_creds(context, handle, &ticket);
    if (code != 0) return unexpected(failed_krb5(context, "krb5_init_creds_get_creds", code));
    const char* storing = "krb5_cc_initialize";
    code = krb5_cc_initialize(context, parts.cache, ticket.client);
    if (code == 0) {
      storing = "krb5_cc_store_cred";
      code = krb5_cc_store_cred(context, parts.cache, &ticket);
    }
    krb5_free_cred_contents(context, &ticket);
    if (code != 0) return unexpected(failed_krb5(context, storing, code));
    return {};
  }
};

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey

#endif
