#include "verify/further.h"

#include "base/error.h"
#include "checkpoint/checkpoint.h"

namespace crossload::verify {

CaseValues read_case(const OpenCase& one) {
  CaseValues values = read_case(one.of.file);
  for (const std::filesystem::path& file : one.further) {
    const Checkpoint tensors = open_safetensors(file);
    for (const Checkpoint::Entry& entry : tensors.entries()) {
      const std::size_t slash = entry.name.find('/');
      const std::string kind = entry.name.substr(0, slash);
      const std::string rest = slash == std::string::npos ? "" : entry.name.substr(slash + 1);
      if (kind == "truth") values.truth[rest] = tensors.tensor(entry.name);
      if (kind != "run" || rest.find('/') == std::string::npos) continue;
      const std::string output = rest.substr(rest.find('/') + 1);
      const auto known = values.runs.find(output);
      const Tensor run = tensors.tensor(entry.name);
      if (known == values.runs.end() || run.dims() != known->second.front().dims() ||
          run.dtype() != known->second.front().dtype()) {
        bad_input("{}: `{}` is {}{}, which is no further run of an output of {}", file.string(), entry.name,
                  name_of(run.dtype()), to_string(run.dims()), one.of.file.string());
      }
      known->second.push_back(run);
    }
  }
  return values;
}

}  // namespace crossload::verify
