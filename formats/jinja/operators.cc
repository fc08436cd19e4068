#include "formats/jinja/operators.h"

#include <cmath>
#include <limits>

#include "formats/jinja/methods.h"
#include "formats/jinja/to_text.h"

namespace sain::formats::jinja {
namespace {

Error mismatch(std::string_view op, const Value& left, const Value& right) {
  for (const Value* operand : {&left, &right}) {
    if (const auto* undefined = std::get_if<Undefined>(&operand->data())) return undefined_error(*undefined);
  }
  return template_error("'{}' cannot take {} and {}", op, type_name(left), type_name(right));
}

std::string_view symbol(Operator op) {
  switch (op) {
    case Operator::kAdd:
      return "+";
    case Operator::kSubtract:
      return "-";
    case Operator::kMultiply:
      return "*";
    case Operator::kDivide:
      return "/";
    case Operator::kFloorDivide:
      return "//";
    case Operator::kModulo:
      return "%";
    case Operator::kPower:
      return "**";
  }
  return "?";
}

Error overflow() {
  return make_error(ErrorCode::kResourceExhausted, "an integer beyond 64 bits");
}
Error division_by_zero() {
  return template_error("division by zero");
}

/// base ** exponent, exponent >= 0; nullopt beyond 64 bits.
std::optional<int64_t> power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return std::nullopt;
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) return std::nullopt;
  }
  return result;
}

Result<Value> integer_arithmetic(Operator op, int64_t a, int64_t b, Trust trust) {
  int64_t result = 0;
  switch (op) {
    case Operator::kAdd:
      if (__builtin_add_overflow(a, b, &result)) return overflow();
      return Value(result, trust);
    case Operator::kSubtract:
      if (__builtin_sub_overflow(a, b, &result)) return overflow();
      return Value(result, trust);
    case Operator::kMultiply:
      if (__builtin_mul_overflow(a, b, &result)) return overflow();
      return Value(result, trust);
    case Operator::kDivide:
      if (b == 0) return division_by_zero();
      return Value(static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)), trust);
    case Operator::kFloorDivide:
    case Operator::kModulo: {
      if (b == 0) return division_by_zero();
      if (b == -1)
        return op == Operator::kModulo ? Value(int64_t{0}, trust)
                                       : integer_arithmetic(Operator::kSubtract, 0, a, trust);
      const int64_t remainder = a % b;
      const bool adjust = remainder != 0 && (remainder < 0) != (b < 0);
      if (op == Operator::kModulo) return Value(adjust ? remainder + b : remainder, trust);
      return Value(a / b - (adjust ? 1 : 0), trust);
    }
    case Operator::kPower: {
      if (b < 0 && a == 0) return division_by_zero();
      if (b < 0) return Value(std::pow(static_cast<double>(a), static_cast<double>(b)), trust);
      const auto value = power(a, b);
      if (!value) return overflow();
      return Value(*value, trust);
    }
  }
  return overflow();
}

/// (a // b, a % b) with the sign of b on the remainder, as CPython computes them.
std::pair<double, double> float_divmod(double a, double b) {
  double remainder = std::fmod(a, b);
  double quotient = (a - remainder) / b;
  if (remainder == 0) {
    remainder = std::copysign(0.0, b);
  } else if ((b < 0) != (remainder < 0)) {
    remainder += b;
    quotient -= 1;
  }
  if (quotient == 0) return {std::copysign(0.0, a / b), remainder};
  const double floored = std::floor(quotient);
  return {quotient - floored > 0.5 ? floored + 1 : floored, remainder};
}

Result<Value> float_arithmetic(Operator op, double a, double b, Trust trust) {
  const bool divides = op == Operator::kDivide || op == Operator::kFloorDivide || op == Operator::kModulo;
  if (divides && b == 0) return division_by_zero();
  switch (op) {
    case Operator::kAdd:
      return Value(a + b, trust);
    case Operator::kSubtract:
      return Value(a - b, trust);
    case Operator::kMultiply:
      return Value(a * b, trust);
    case Operator::kDivide:
      return Value(a / b, trust);
    case Operator::kFloorDivide:
      return Value(float_divmod(a, b).first, trust);
    case Operator::kModulo:
      return Value(float_divmod(a, b).second, trust);
    case Operator::kPower:
      if (a == 0 && b < 0) return division_by_zero();
      if (a < 0 && std::isfinite(a) && std::isfinite(b) && b != std::floor(b)) {
        return make_error(ErrorCode::kUnsupported, "a complex number");
      }
      break;
  }
  const double result = std::pow(a, b);
  if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) return template_error("a float beyond its range");
  return Value(result, trust);
}

Result<Value> add_texts(Runtime& runtime, const Text& left, const Text& right) {
  const bool markup = left.markup || right.markup;
  Text sum;
  const auto append = [&](const Text& part) -> Status {
    if (!markup || part.markup) return sum.append(part), Status();
    SAIN_ASSIGN_OR_RETURN(const Text escaped, escape_html(runtime, part));
    return sum.append(escaped), Status();
  };
  sum.reserve(left.size() + right.size());
  SAIN_RETURN_IF_ERROR(append(left));
  SAIN_RETURN_IF_ERROR(append(right));
  sum.markup = markup;
  return runtime.make_text(std::move(sum));
}

Result<Value> repeat(Runtime& runtime, const Value& value, int64_t count) {
  const size_t n = count < 0 ? 0 : static_cast<size_t>(count);
  if (const Text* text = value.text()) {
    SAIN_RETURN_IF_ERROR(runtime.charge_memory(n, text->size()));
    Text result;
    for (size_t i = 0; i < n && !text->empty(); ++i) result.append(*text);
    result.markup = text->markup;
    return runtime.make_text(std::move(result));
  }
  const Sequence& sequence = *value.sequence();
  SAIN_RETURN_IF_ERROR(runtime.charge_memory(n, sequence.items.size() * sizeof(Value)));
  Values items;
  for (size_t i = 0; i < n && !sequence.items.empty(); ++i) {
    items.insert(items.end(), sequence.items.begin(), sequence.items.end());
  }
  return runtime.make_sequence(sequence.kind, std::move(items));
}

bool repeatable(const Value& value) {
  const Sequence* sequence = value.sequence();
  return value.text() != nullptr ||
         (sequence != nullptr && (sequence->kind == Sequence::Kind::kList || sequence->is_tuple()));
}

}  // namespace

Result<Value> arithmetic(Runtime& runtime, Operator op, const Value& left, const Value& right) {
  const Trust trust = both(left.scalar_trust(), right.scalar_trust());
  const auto left_integer = left.integer();
  const auto right_integer = right.integer();
  if (left_integer && right_integer) return integer_arithmetic(op, *left_integer, *right_integer, trust);
  if (left.is_number() && right.is_number()) return float_arithmetic(op, *left.number(), *right.number(), trust);
  if (op == Operator::kModulo && left.text() != nullptr) return percent_format(runtime, *left.text(), right);
  if (op == Operator::kMultiply && repeatable(left) && right_integer) return repeat(runtime, left, *right_integer);
  if (op == Operator::kMultiply && repeatable(right) && left_integer) return repeat(runtime, right, *left_integer);
  if (op != Operator::kAdd) return mismatch(symbol(op), left, right);
  if (left.text() != nullptr && right.text() != nullptr) return add_texts(runtime, *left.text(), *right.text());
  if (!repeatable(left) || !repeatable(right)) return mismatch("+", left, right);
  const Sequence* a = left.sequence();
  const Sequence* b = right.sequence();
  if (a == nullptr || b == nullptr || a->is_tuple() != b->is_tuple()) return mismatch("+", left, right);
  SAIN_RETURN_IF_ERROR(runtime.charge_items_scan(a->items.size() + b->items.size()));
  Values items = a->items;
  items.insert(items.end(), b->items.begin(), b->items.end());
  return runtime.make_sequence(a->is_tuple() ? Sequence::Kind::kTuple : Sequence::Kind::kList, std::move(items));
}

Result<Value> negate(const Value& operand) {
  if (const auto integer = operand.integer()) {
    return integer_arithmetic(Operator::kSubtract, 0, *integer, operand.scalar_trust());
  }
  if (operand.is_float()) return Value(-*operand.number(), operand.scalar_trust());
  return type_error("a number", operand);
}

Result<Text> escape_html(Runtime& runtime, const Text& text) {
  Text result;
  size_t done = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text.bytes()[i];
    const std::string_view entity = c == '&'    ? "&amp;"
                                    : c == '<'  ? "&lt;"
                                    : c == '>'  ? "&gt;"
                                    : c == '\'' ? "&#39;"
                                    : c == '"'  ? "&#34;"
                                                : "";
    if (entity.empty()) continue;
    result.append(text, done, i);
    result.append(entity, text.trust_at(i));
    done = i + 1;
  }
  result.append(text, done);
  result.markup = true;
  SAIN_RETURN_IF_ERROR(runtime.charge_memory(result.size()));
  return result;
}

}  // namespace sain::formats::jinja
