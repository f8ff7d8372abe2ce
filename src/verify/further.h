// More of PyTorch's values, asked for only where outputs are over the limit: they tell noise from errors, and the more
// of them are needed the longer they take.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "verify/outputs.h"
#include "verify/verify.h"

namespace crossload::verify {

/// `kUsual`: other kernels and the float64 run, where a model is so large that they were left out at first; `kMore` and
/// `kMost`: sums in sequence and in other orders, where the error is not much larger than the noise; `kChoices`: values
/// around discrete choices.
enum class Effort { kUsual, kMore, kMost, kChoices };

/// A case, and the files of what PyTorch computed of it later: `run/<k>/<output>`, numbered anew in each, and
/// `truth/<output>` where no file before had one.
struct OpenCase {
  Case of;
  std::vector<std::filesystem::path> further = {};
};

/// Has PyTorch compute more of these cases and adds it to them. False when it has done so already or cannot.
using Further = std::function<bool(Effort, const std::vector<OpenCase*>&)>;

/// As `verify` of verify.h, but cases over the limit are compared again with what `further` adds, step by step, until
/// none is left or there is nothing more. Stages are explained after that.
Result verify(const Request& request, const runtime::Runtime& runtime, const Further& further);

/// All values of a case. Throws as `read_case` does.
CaseValues read_case(const OpenCase& one);

}  // namespace crossload::verify
