// Element types of tensors, as PyTorch and TensorFlow share them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace crossload {

enum class DType : uint8_t {
  kBool,
  kUInt8,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUInt16,
  kUInt32,
  kUInt64,
  kFloat16,
  kBFloat16,
  kFloat32,
  kFloat64,
  kComplex64,
  kComplex128,
  kFloat8E4M3,
  kFloat8E5M2,
  kVariant,  // no element type: one thing that TensorFlow passes around, such as a list of tensors; in graphs only
};
/// Of element types.
inline constexpr int kDTypeCount = 17;

/// Bytes of one element; 0 for kVariant.
std::size_t size_of(DType dtype);
/// `float32`, `int64`, `bool`, …: the name that PyTorch, NumPy and TensorFlow agree on.
std::string_view name_of(DType dtype);
/// Element types only.
std::optional<DType> dtype_from_name(std::string_view name);
/// safetensors' spelling: `F32`, `I64`, `BOOL`, …
std::string_view safetensors_name_of(DType dtype);
std::optional<DType> dtype_from_safetensors_name(std::string_view name);

constexpr bool is_floating(DType d) {
  return d == DType::kFloat16 || d == DType::kBFloat16 || d == DType::kFloat32 || d == DType::kFloat64 ||
         d == DType::kFloat8E4M3 || d == DType::kFloat8E5M2;
}
constexpr bool is_complex(DType d) { return d == DType::kComplex64 || d == DType::kComplex128; }
constexpr bool is_integer(DType d) { return d >= DType::kUInt8 && d <= DType::kUInt64; }
/// Integers and booleans.
constexpr bool is_integral(DType d) { return is_integer(d) || d == DType::kBool; }

}  // namespace crossload
