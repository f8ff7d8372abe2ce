// torch/_export/serde/schema.py, class ScalarType, of PyTorch 2.13 (schema 8.20).
#include "program/schema_codes.h"

#include <string_view>

namespace crossload::program {
namespace {

struct Row {
  int64_t code;
  std::string_view name;
  std::optional<DType> dtype;
};

constexpr Row kRows[] = {
    {1, "uint8", DType::kUInt8},
    {2, "int8", DType::kInt8},
    {3, "int16", DType::kInt16},
    {4, "int32", DType::kInt32},
    {5, "int64", DType::kInt64},
    {6, "float16", DType::kFloat16},
    {7, "float32", DType::kFloat32},
    {8, "float64", DType::kFloat64},
    {9, "complex32", std::nullopt},
    {10, "complex64", DType::kComplex64},
    {11, "complex128", DType::kComplex128},
    {12, "bool", DType::kBool},
    {13, "bfloat16", DType::kBFloat16},
    {28, "uint16", DType::kUInt16},
    {29, "float8_e4m3fn", DType::kFloat8E4M3},
    {30, "float8_e5m2", DType::kFloat8E5M2},
    {31, "float8_e4m3fnuz", std::nullopt},
    {32, "float8_e5m2fnuz", std::nullopt},
    {33, "float8_e8m0fnu", std::nullopt},
    {34, "uint32", DType::kUInt32},
    {35, "uint64", DType::kUInt64},
};

}  // namespace

std::optional<DType> dtype_from_code(int64_t code) {
  for (const Row& row : kRows) {
    if (row.code == code) return row.dtype;
  }
  return std::nullopt;
}

std::string name_of_dtype_code(int64_t code) {
  for (const Row& row : kRows) {
    if (row.code == code) return std::string(row.name);
  }
  return std::to_string(code);
}

}  // namespace crossload::program
