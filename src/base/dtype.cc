#include "base/dtype.h"

#include <array>

namespace crossload {
namespace {

struct Row {
  std::size_t size;
  std::string_view name;
  std::string_view safetensors;
};

// In the order of the enumeration.
constexpr std::array<Row, kDTypeCount + 1> kRows = {{
    {1, "bool", "BOOL"},
    {1, "uint8", "U8"},
    {1, "int8", "I8"},
    {2, "int16", "I16"},
    {4, "int32", "I32"},
    {8, "int64", "I64"},
    {2, "uint16", "U16"},
    {4, "uint32", "U32"},
    {8, "uint64", "U64"},
    {2, "float16", "F16"},
    {2, "bfloat16", "BF16"},
    {4, "float32", "F32"},
    {8, "float64", "F64"},
    {8, "complex64", "C64"},
    {16, "complex128", "C128"},
    {1, "float8_e4m3fn", "F8_E4M3"},
    {1, "float8_e5m2", "F8_E5M2"},
    {0, "variant", ""},
}};

const Row& row(DType dtype) { return kRows[static_cast<std::size_t>(dtype)]; }

template <std::string_view Row::*Name>
std::optional<DType> find(std::string_view name) {
  for (std::size_t i = 0; i < kDTypeCount; ++i) {
    if (kRows[i].*Name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

}  // namespace

std::size_t size_of(DType dtype) { return row(dtype).size; }
std::string_view name_of(DType dtype) { return row(dtype).name; }
std::string_view safetensors_name_of(DType dtype) { return row(dtype).safetensors; }
std::optional<DType> dtype_from_name(std::string_view name) { return find<&Row::name>(name); }
std::optional<DType> dtype_from_safetensors_name(std::string_view name) { return find<&Row::safetensors>(name); }

}  // namespace crossload
