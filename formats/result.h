// The one way in which SAIN reports what went wrong: a value or an Error, spelled like std::expected (C++23).
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <variant>

namespace sain {

enum class ErrorCode {
  kInvalidArgument,    // the caller asked for something impossible
  kNotFound,           // a file, model, tensor or specialist does not exist
  kIo,                 // the operating system refused
  kCorrupt,            // a file's content contradicts its format
  kUnsupported,        // valid, but not something SAIN can do
  kResourceExhausted,  // memory, context or another budget is used up
  kCancelled,          // a stop was requested
  kInternal,           // a fault of ours
};

/// What failed. The message says what was expected, what was found, and where.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

/// Builds an Error from a fmt format string.
template <class... Args>
[[nodiscard]] Error make_error(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  return Error{code, fmt::format(format, std::forward<Args>(args)...)};
}

/// A T or an Error. Reading the side that is not there is a programmer's error and ends the program.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  template <class U>
  requires(std::is_convertible_v<U&&, T> && !std::is_same_v<std::remove_cvref_t<U>, T> &&
           !std::is_same_v<std::remove_cvref_t<U>, Error> && !std::is_same_v<std::remove_cvref_t<U>, Result>)
      Result(U&& value)
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & { return check_value(), std::get<0>(state_); }
  const T& value() const& { return check_value(), std::get<0>(state_); }
  T&& value() && { return check_value(), std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  void check_value() const {
    if (has_value()) return;
    std::fprintf(stderr, "sain: value() of a failed Result: %s\n", std::get<1>(state_).message.c_str());
    std::abort();
  }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), failed_(true) {}

  bool has_value() const { return !failed_; }
  explicit operator bool() const { return !failed_; }
  const Error& error() const& { return error_; }
  Error&& error() && { return std::move(error_); }

 private:
  Error error_;
  bool failed_ = false;
};

/// Success, or why not.
using Status = Result<void>;

#define SAIN_CONCAT_INNER(a, b) a##b
#define SAIN_CONCAT(a, b) SAIN_CONCAT_INNER(a, b)

/// Returns the Error of `expression` (a Result of any kind) to the caller, if it failed.
#define SAIN_RETURN_IF_ERROR(expression)                       \
  do {                                                         \
    auto sain_status_ = (expression);                          \
    if (!sain_status_) return std::move(sain_status_).error(); \
  } while (false)

/// `SAIN_ASSIGN_OR_RETURN(const auto x, f());` declares x from the value of f(), or returns f()'s Error.
#define SAIN_ASSIGN_OR_RETURN(declaration, expression) \
  SAIN_ASSIGN_OR_RETURN_INNER(SAIN_CONCAT(sain_result_, __LINE__), declaration, expression)
#define SAIN_ASSIGN_OR_RETURN_INNER(result, declaration, expression) \
  auto result = (expression);                                        \
  if (!result) return std::move(result).error();                     \
  declaration = *std::move(result)

/// Ends the program when a condition that only our own code can break is broken.
#define SAIN_CHECK(condition)                                                                 \
  do {                                                                                        \
    if (!(condition)) {                                                                       \
      std::fprintf(stderr, "%s:%d: SAIN_CHECK failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                           \
    }                                                                                         \
  } while (false)

}  // namespace sain
