// gsskey/core/bytes: ByteView, bytes that somebody else owns, and SecretBytes, owned bytes that are wiped.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <utility>

#include <gsskey/core/error.hpp>
#include <gsskey/core/fwd.hpp>

// A range of what somebody else owns: its iterators outlive it. Said before anything asks.
template <>
inline constexpr bool std::ranges::enable_borrowed_range<gsskey::ByteView> = true;
template <>
inline constexpr bool std::ranges::enable_view<gsskey::ByteView> = true;

namespace gsskey {
GSSKEY_BEGIN_ABI

namespace detail {
template <class T>
concept ByteLike = std::same_as<std::remove_cv_t<T>, char> || std::same_as<std::remove_cv_t<T>, unsigned char> ||
                   std::same_as<std::remove_cv_t<T>, std::byte>;

template <class R>
concept ByteRange = requires(const R& range) {
  { *range.data() } -> std::convertible_to<const std::remove_reference_t<decltype(*range.data())>&>;
  requires ByteLike<std::remove_reference_t<decltype(*range.data())>>;
  { range.size() } -> std::convertible_to<std::size_t>;
};
/// What only borrows its bytes too: string_view, span.
template <class R>
concept BorrowedByteRange = ByteRange<R> && std::ranges::enable_borrowed_range<R>;

/// What every owner of bytes has besides data() and size(): a contiguous range of unsigned char, const where data() is.
template <class Owner>
class ByteAccess {
  friend Owner;
  ByteAccess() noexcept = default;

 public:
  [[nodiscard]] bool empty() const noexcept { return self().size() == 0; }
  [[nodiscard]] auto* begin() noexcept GSSKEY_LIFETIMEBOUND { return self().data(); }
  [[nodiscard]] const unsigned char* begin() const noexcept GSSKEY_LIFETIMEBOUND { return self().data(); }
  [[nodiscard]] auto* end() noexcept GSSKEY_LIFETIMEBOUND { return self().data() + self().size(); }
  [[nodiscard]] const unsigned char* end() const noexcept GSSKEY_LIFETIMEBOUND { return begin() + self().size(); }
  /// `index` must be below size().
  [[nodiscard]] auto& operator[](std::size_t index) noexcept GSSKEY_LIFETIMEBOUND { return self().data()[index]; }
  [[nodiscard]] const unsigned char& operator[](std::size_t index) const noexcept GSSKEY_LIFETIMEBOUND {
    return self().data()[index];
  }
  /// Counted, not terminated.
  [[nodiscard]] std::string_view text() const noexcept GSSKEY_LIFETIMEBOUND {
    return {reinterpret_cast<const char*>(self().data()), self().size()};
  }

 private:
  [[nodiscard]] Owner& self() noexcept { return static_cast<Owner&>(*this); }
  [[nodiscard]] const Owner& self() const noexcept { return static_cast<const Owner&>(*this); }
};
}  // namespace detail

/// Views bytes that somebody else owns, read-only: two words, passed by value. It converts from what holds char,
/// unsigned char or std::byte contiguously (string, string_view, vector, span, array, Buffer, SecretBytes), from arrays
/// of unsigned char and std::byte whole, and from a string literal without its NUL. An array of char at run time does
/// not convert: whether its NUL counts is for the caller to say.
///
/// A view of a temporary is for one expression: `send(*context.wrap(message))`. With `ByteView token =
/// *context.wrap(message)` its memory is free again, and no compiler warns: the `*` of std::expected does not say that
/// it refers to the expected.
/// Owner: what the view was made of, which must outlive it.
class ByteView {
 public:
  constexpr ByteView() noexcept = default;
  constexpr ByteView(const void* data, std::size_t size) noexcept : data_{data}, size_{size} {}

  template <detail::ByteRange R>
  constexpr ByteView(const R& range GSSKEY_LIFETIMEBOUND) noexcept : data_{range.data()}, size_{range.size()} {}
  /// Views what another view refers to, which may be a temporary.
  template <detail::BorrowedByteRange R>
  constexpr ByteView(const R& range) noexcept : data_{range.data()}, size_{range.size()} {}

  template <detail::ByteLike T, std::size_t N>
    requires(!std::same_as<std::remove_cv_t<T>, char>)
  constexpr ByteView(const T (&array GSSKEY_LIFETIMEBOUND)[N]) noexcept : data_{array}, size_{N} {}

  template <std::size_t N>
  consteval ByteView(const char (&literal)[N]) noexcept : data_{literal}, size_{N - 1} {
    if (literal[N - 1] != '\0') not_a_literal();
  }

  [[nodiscard]] const unsigned char* data() const noexcept { return static_cast<const unsigned char*>(data_); }
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] const unsigned char* begin() const noexcept { return data(); }
  [[nodiscard]] const unsigned char* end() const noexcept { return data() + size_; }
  [[nodiscard]] unsigned char operator[](std::size_t index) const noexcept { return data()[index]; }

  /// Returns the view of at most `count` bytes from `offset` on; empty past the end.
  [[nodiscard]] ByteView subview(std::size_t offset, std::size_t count = static_cast<std::size_t>(-1)) const noexcept {
    if (offset >= size_) return {};
    const std::size_t rest = size_ - offset;
    return {data() + offset, count < rest ? count : rest};
  }
  [[nodiscard]] std::string_view text() const noexcept { return {static_cast<const char*>(data_), size_}; }

  [[nodiscard]] friend bool operator==(ByteView a, ByteView b) noexcept {
    return a.size_ == b.size_ && (a.size_ == 0 || std::memcmp(a.data_, b.data_, a.size_) == 0);
  }

 private:
  // Called where a constant expression must fail: it is not constexpr, so its name is in the diagnostic. Defined,
  // because clang 16 emits the consteval constructor where a literal is converted within a braced list.
  static void not_a_literal() noexcept {}

  const void* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Owns bytes that must not outlive their use: keys, plaintext, exported contexts. They are wiped before the memory
/// goes back to the allocator that it came from; a move hands the memory over, so nothing stays behind. There is
/// neither copy nor formatter.
/// Calls: explicit_bzero(3).
/// Threads: one at a time; any number may read.
class SecretBytes : public detail::ByteAccess<SecretBytes> {
 public:
  /// Frees memory that was wiped; gss/ passes its own function for what a gss_* call allocated.
  using Release = void (*)(void* data, std::size_t size) noexcept;

  SecretBytes() noexcept = default;

  /// Makes `size` zero bytes, with malloc.
  /// Errors: system (ENOMEM).
  template <class Self = SecretBytes>  // a template, so that only who calls it pays for a Result of it
  [[nodiscard]] static Result<Self> with_size(std::size_t size) noexcept {
    void* data = allocate_zeros(size);
    if (data == nullptr) return unexpected(Error::system("malloc", ENOMEM));
    return adopt(data, size, &to_malloc);
  }
  /// Copies `bytes`.
  template <class Self = SecretBytes>
  [[nodiscard]] static Result<Self> copy_of(ByteView bytes) noexcept {
    void* data = allocate(bytes.size());
    if (data == nullptr) return unexpected(Error::system("malloc", ENOMEM));
    if (!bytes.empty()) std::memcpy(data, bytes.data(), bytes.size());
    return adopt(data, bytes.size(), &to_malloc);
  }
  /// Takes memory over that `release` knows how to free.
  [[nodiscard]] static SecretBytes adopt(void* data, std::size_t size, Release release) noexcept {
    SecretBytes bytes;
    bytes.data_ = data;
    bytes.size_ = size;
    bytes.release_ = release;
    return bytes;
  }

  SecretBytes(SecretBytes&& other) noexcept { take(other); }
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    if (this != &other) {
      wipe();
      take(other);
    }
    return *this;
  }
  ~SecretBytes() { wipe(); }

  [[nodiscard]] unsigned char* data() noexcept GSSKEY_LIFETIMEBOUND { return static_cast<unsigned char*>(data_); }
  [[nodiscard]] const unsigned char* data() const noexcept GSSKEY_LIFETIMEBOUND {
    return static_cast<const unsigned char*>(data_);
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Gives the bytes another size: those up to the smaller of both stay, new ones are zero. The old memory is wiped.
  /// Errors: system (ENOMEM), which leaves everything as it was.
  [[nodiscard]] Result<void> resize(std::size_t size) noexcept {
    void* data = allocate_zeros(size);
    if (data == nullptr) return unexpected(Error::system("malloc", ENOMEM));
    if (const std::size_t kept = size < size_ ? size : size_; kept != 0) std::memcpy(data, data_, kept);
    *this = adopt(data, size, &to_malloc);
    return {};
  }
  /// Wipes and frees the bytes now, and is empty.
  void wipe() noexcept {
    if (release_ == nullptr) return;
    if (size_ != 0) explicit_bzero(data_, size_);
    release_(data_, size_);
    forget();
  }

 private:
  // malloc and not calloc, which takes twice as long for few bytes.
  [[nodiscard]] static void* allocate(std::size_t size) noexcept { return detail::allocate(size == 0 ? 1 : size); }
  [[nodiscard]] static void* allocate_zeros(std::size_t size) noexcept {
    void* data = allocate(size);
    if (data != nullptr) std::memset(data, 0, size);
    return data;
  }
  void forget() noexcept {
    data_ = nullptr;
    size_ = 0;
    release_ = nullptr;
  }
  void take(SecretBytes& other) noexcept {
    data_ = other.data_;
    size_ = other.size_;
    release_ = other.release_;
    other.forget();
  }
  static void to_malloc(void* data, std::size_t) noexcept { detail::deallocate(data); }

  void* data_ = nullptr;
  std::size_t size_ = 0;
  Release release_ = nullptr;
};

GSSKEY_END_ABI
}  // namespace gsskey
