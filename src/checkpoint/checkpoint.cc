#include "checkpoint/checkpoint.h"

#include <algorithm>

#include "base/error.h"

namespace crossload {

namespace fs = std::filesystem;

namespace {

bool are_same(const StridedTensor& a, const StridedTensor& b) {
  if (a.dtype() != b.dtype() || a.dims() != b.dims()) return false;  // before strided ones are copied
  return have_same_value(a.to_tensor(), b.to_tensor());
}

}  // namespace

Checkpoint::Checkpoint(std::vector<std::pair<std::string, StridedTensor>> tensors, const fs::path& file,
                       Metadata metadata, const std::map<std::string, std::string>& layers)
    : metadata_(std::move(metadata)) {
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [name, tensor] : tensors) {
    if (!entries_.empty() && entries_.back().name == name) {
      bad_input("{}: tensor `{}` stands twice; names must be unique", file.empty() ? "weights" : file.string(), name);
    }
    const auto layer = layers.find(name);
    entries_.push_back(
        {std::move(name), tensor.dtype(), tensor.dims(), file, layer == layers.end() ? "" : layer->second});
    tensors_.push_back(std::move(tensor));
  }
}

const Checkpoint::Entry* Checkpoint::find(std::string_view name) const {
  const auto it = std::lower_bound(entries_.begin(), entries_.end(), name,
                                   [](const Entry& entry, std::string_view n) { return entry.name < n; });
  return it != entries_.end() && it->name == name ? &*it : nullptr;
}

const StridedTensor& Checkpoint::strided(std::string_view name) const {
  const Entry* entry = find(name);
  if (entry == nullptr) {
    bad_input("checkpoint: no tensor `{}` among {}; check that the weights belong to the model", name, entries_.size());
  }
  return tensors_[static_cast<std::size_t>(entry - entries_.data())];
}

bool Checkpoint::have_same_bytes(std::string_view a, std::string_view b) const {
  if (find(a) == nullptr || find(b) == nullptr) return false;
  return are_same(strided(a), strided(b));
}

bool Checkpoint::is_tensorflow() const {
  const auto format = metadata_.find("format");
  return format != metadata_.end() && format->second == "tf";
}

Checkpoint Checkpoint::united(const std::vector<Checkpoint>& parts) {
  struct Source {
    const Checkpoint* part;
    std::size_t index;
  };
  std::map<std::string_view, Source> sources;
  Checkpoint result;
  for (const Checkpoint& part : parts) {
    for (std::size_t i = 0; i < part.entries_.size(); ++i) {
      const Entry& entry = part.entries_[i];
      const auto [at, is_new] = sources.try_emplace(entry.name, Source{&part, i});
      if (is_new) continue;
      const auto& [other, index] = at->second;
      if (!are_same(other->tensors_[index], part.tensors_[i])) {
        bad_input("{}: holds `{}` with other values than `{}` does; download both again", entry.file.string(),
                  entry.name, other->entries_[index].file.filename().string());
      }
    }
    for (const auto& [key, value] : part.metadata_) result.metadata_[key] = value;
  }
  for (const auto& [name, source] : sources) {
    result.entries_.push_back(source.part->entries_[source.index]);
    result.tensors_.push_back(source.part->tensors_[source.index]);
  }
  return result;
}

}  // namespace crossload
