// Which positions of a tensor the model's masks leave visible.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/sym.h"
#include "base/tensor.h"
#include "program/program.h"

namespace crossload::verify {

/// The visible positions of one shape: `rows[i]` tells of the elements [i * inner, (i + 1) * inner). No rows: all.
struct Visibility {
  std::vector<uint8_t> rows;
  int64_t inner = 1;
};

/// The mask inputs of one case.
class Masks {
 public:
  /// Finds the masks among `inputs` (by name, rank 2, only zeros and ones); `program` tells their symbolic sizes.
  Masks(const program::Program& program, const std::map<std::string, Tensor>& inputs);
  /// As if `input` were a mask whose entries of `visible_value` are visible, whatever its name says. Nothing where it
  /// has not the form of a mask.
  std::optional<Masks> with(const program::Program& program, const std::string& input, const Tensor& tensor,
                            int visible_value) const;

  /// An axis is masked when its size is the mask's sequence length in the program, and the first axis is the mask's
  /// batch; so is a first axis of batch * length. A batch entry with no visible position is hidden whole.
  Visibility of(const SymDims& symbolic, const Dims& dims) const;

  bool empty() const { return masks_.empty(); }

 private:
  struct Mask {
    std::string input;
    SymDims symbolic;  // [B, S]
    Dims dims;
    std::vector<uint8_t> visible;
  };
  static std::optional<Mask> mask_of(const program::Program& program, const std::string& input, const Tensor& tensor,
                                     int visible_value);

  std::vector<Mask> masks_;
};

/// A bool for each element of a value of these dims. REQUIRES: `visible` has rows, and those of these dims.
Tensor visible_elements(const Visibility& visible, const Dims& dims);

}  // namespace crossload::verify
