// torch.save writes a state dict in one of two forms.
//
// A zip archive (PyTorch 1.6 and newer), all entries stored:
//   <root>/data.pkl    the pickle
//   <root>/data/<key>  the bytes of one storage
//   <root>/byteorder   `little`, in newer files
// Older files are consecutive pickles, then the storages:
//   magic number, protocol version (1001), system (a dict), state dict, list of storage keys
//   for each key: u64 count of elements, elements
//
// In the pickle a tensor is the call `torch._utils._rebuild_tensor_v2(storage, offset, size, stride, …)`, and a storage
// the persistent id ("storage", <storage class>, key, device, element count[, view]).
#include <simdjson.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/zip_archive.h"
#include "checkpoint/formats.h"
#include "checkpoint/pickle.h"

namespace crossload {
namespace {

using Value = Pickle::Value;
using Kind = Pickle::Kind;

// The pickle of 0x1950a86a20f9469cfc6c, with which older files begin.
constexpr std::string_view kMagic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
constexpr int64_t kLegacyVersion = 1001;
// Views by strides may repeat elements. All such tensors together may take this much on top of twice the file's size.
constexpr uint64_t kMaxExpandedBytes = uint64_t{1} << 30;
constexpr int kMaxRank = 64;
constexpr int kMaxWrappers = 8;

struct StorageClass {
  std::string_view name;
  DType dtype;
};
constexpr StorageClass kStorageClasses[] = {
    {"torch.FloatStorage", DType::kFloat32},
    {"torch.HalfStorage", DType::kFloat16},
    {"torch.BFloat16Storage", DType::kBFloat16},
    {"torch.DoubleStorage", DType::kFloat64},
    {"torch.LongStorage", DType::kInt64},
    {"torch.IntStorage", DType::kInt32},
    {"torch.ShortStorage", DType::kInt16},
    {"torch.CharStorage", DType::kInt8},
    {"torch.ByteStorage", DType::kUInt8},
    {"torch.BoolStorage", DType::kBool},
    {"torch.ComplexFloatStorage", DType::kComplex64},
    {"torch.ComplexDoubleStorage", DType::kComplex128},
    {"torch.UntypedStorage", DType::kUInt8},
    {"torch.storage.UntypedStorage", DType::kUInt8},
};

constexpr std::string_view kRebuildTensor = "torch._utils._rebuild_tensor";
constexpr std::string_view kRebuildTensor2 = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kRebuildTensor3 = "torch._utils._rebuild_tensor_v3";
constexpr std::string_view kRebuildParameter = "torch._utils._rebuild_parameter";
constexpr std::string_view kRebuildParameterWithState = "torch._utils._rebuild_parameter_with_state";
constexpr std::string_view kRebuildFromType = "torch._tensor._rebuild_from_type_v2";
constexpr std::string_view kSize = "torch.Size";
constexpr std::string_view kOthers[] = {"collections.OrderedDict", "torch.nn.parameter.Parameter", "torch.Tensor",
                                        "torch._tensor.Tensor", "torch.device"};

std::optional<DType> storage_dtype(std::string_view name) {
  const auto* const found = std::find_if(std::begin(kStorageClasses), std::end(kStorageClasses),
                                         [&](const auto& c) { return c.name == name; });
  if (found == std::end(kStorageClasses)) return std::nullopt;
  return found->dtype;
}

std::optional<DType> dtype_of_global(std::string_view name) {
  constexpr std::string_view kPrefix = "torch.";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  return dtype_from_name(name.substr(kPrefix.size()));
}

bool is_allowed(std::string_view name) {
  return name == kRebuildTensor || name == kRebuildTensor2 || name == kRebuildTensor3 || name == kRebuildParameter ||
         name == kRebuildParameterWithState || name == kRebuildFromType || name == kSize ||
         std::find(std::begin(kOthers), std::end(kOthers), name) != std::end(kOthers) || storage_dtype(name) ||
         dtype_of_global(name);
}

struct Storage {
  std::string key;
  DType dtype = DType::kUInt8;
  int64_t count = 0;       // elements, of the view if it is one
  int64_t first = 0;       // of a view
  int64_t full_count = 0;  // elements of the whole storage
};

// Makes tensors from what the pickle describes; the subclass for each container finds a storage's bytes.
class StateDict {
 public:
  StateDict(const WeightFile& file, std::string where) : file_(file), where_(std::move(where)) {}
  virtual ~StateDict() = default;

  Checkpoint read(const Value& root) {
    if (!root.is(Kind::kDict))
      bad("holds {}, a state dict is a dict of tensors; save the state dict", root.description());
    refuse_training_checkpoint(root);
    std::vector<std::pair<std::string, StridedTensor>> tensors;
    for (std::size_t i = 0; i + 1 < root.size(); i += 2) {
      const Value key = root[i];
      if (!key.is(Kind::kText)) bad("{} is a key of the state dict, texts are expected", key.description());
      name_ = key.text();
      if (!simdjson::validate_utf8(name_)) bad("the name of a tensor, `{}`, is not UTF-8; save it again", name_);
      tensors.emplace_back(name_, tensor_of(root[i + 1], 0));
    }
    return Checkpoint(std::move(tensors), file_->path(), {{"format", "pt"}});
  }

 protected:
  template <typename... Args>
  [[noreturn]] void bad(fmt::format_string<Args...> format, Args&&... args) const {
    bad_input("{}: {}", where_, fmt::format(format, std::forward<Args>(args)...));
  }

  Storage storage_of(const Value& value) const {
    if (!value.is(Kind::kPersistent) || !value[0].is(Kind::kTuple)) {
      bad("tensor `{}`: {} stands where its storage should; the file is damaged", name_, value.description());
    }
    const Value id = value[0];
    if (id.size() < 5 || id[0].text() != "storage" || !id[1].is(Kind::kGlobal) || !id[2].is(Kind::kText) ||
        !id[4].is(Kind::kInteger) || id[4].integer() < 0) {
      bad("tensor `{}`: its storage has no form that PyTorch writes; the file is damaged", name_);
    }
    const auto dtype = storage_dtype(id[1].text());
    if (!dtype) bad("tensor `{}`: {} is no storage of a known dtype; the file is damaged", name_, id[1].description());
    Storage storage{std::string(id[2].text()), *dtype, id[4].integer(), 0, id[4].integer()};
    if (id.size() > 5 && id[5].is(Kind::kTuple)) {  // a view: its own key, first element, count
      const Value view = id[5];
      if (view.size() != 3 || !view[1].is(Kind::kInteger) || !view[2].is(Kind::kInteger) || view[1].integer() < 0 ||
          view[2].integer() < 0 || view[1].integer() > storage.full_count ||
          view[2].integer() > storage.full_count - view[1].integer()) {
        bad("tensor `{}`: a view that does not lie inside of its storage of {} elements; the file is damaged", name_,
            storage.full_count);
      }
      storage.first = view[1].integer();
      storage.count = view[2].integer();
    }
    return storage;
  }

  const WeightFile& file() const { return file_; }
  const std::string& name() const { return name_; }

 private:
  // The bytes of the storage, views already cut out; the tensor's name is for messages.
  virtual std::span<const std::byte> bytes_of(const Storage& storage) = 0;

  // What training runs save: the state dict beside the optimizer's and the epoch.
  void refuse_training_checkpoint(const Value& root) const {
    for (std::size_t i = 0; i + 1 < root.size(); i += 2) {
      const Value key = root[i], value = root[i + 1];
      if (!key.is(Kind::kText) || !value.is(Kind::kDict) || value.size() < 2) continue;
      if (!value[0].is(Kind::kText) || !value[1].is(Kind::kCall)) continue;
      bad("`{}` is a dict of {} entries, such as `{}`, as training runs save; save that one alone: "
          "`torch.save(torch.load(file)[\"{}\"], \"pytorch_model.bin\")`",
          key.text(), value.size() / 2, value[0].text(), key.text());
    }
  }

  StridedTensor tensor_of(const Value& value, int depth) {
    if (!value.is(Kind::kCall)) {
      bad("`{}` is {}, a tensor is expected; save only tensors, those of nested dicts at the top", name_,
          value.description());
    }
    const std::string_view call = value.text();
    if (depth > kMaxWrappers)
      bad("tensor `{}` is wrapped more than {} times; the file is damaged", name_, kMaxWrappers);
    if ((call == kRebuildParameter || call == kRebuildParameterWithState) && value.size() >= 1) {
      return tensor_of(value[0], depth + 1);
    }
    if (call == kRebuildFromType && value.size() >= 3 && value[0].is(Kind::kGlobal) && value[2].is(Kind::kTuple)) {
      return rebuilt(value[0].text(), value[2], depth + 1);
    }
    return rebuilt(call, value, depth);
  }

  StridedTensor rebuilt(std::string_view call, const Value& arguments, int depth) {
    if ((call == kRebuildParameter || call == kRebuildParameterWithState) && arguments.size() >= 1) {
      return tensor_of(arguments[0], depth + 1);
    }
    const bool has_dtype = call == kRebuildTensor3;
    if ((call != kRebuildTensor && call != kRebuildTensor2 && !has_dtype) || arguments.size() < (has_dtype ? 7u : 4u)) {
      bad("tensor `{}` is made by `{}` of {} arguments; save plain tensors", name_, call, arguments.size());
    }
    const Storage storage = storage_of(arguments[0]);
    DType dtype = storage.dtype;
    if (has_dtype) {
      const auto given = arguments[6].is(Kind::kGlobal) ? dtype_of_global(arguments[6].text()) : std::nullopt;
      if (!given) bad("tensor `{}`: {} is no known dtype; cast it first", name_, arguments[6].description());
      dtype = *given;
    }
    if (!arguments[1].is(Kind::kInteger)) bad("tensor `{}`: its offset is {}", name_, arguments[1].description());
    Dims dims = integers_of(arguments[2]);
    Dims strides = integers_of(arguments[3]);
    if (dims.size() != strides.size())
      bad("tensor `{}` has {} sizes and {} strides", name_, dims.size(), strides.size());
    const auto bytes = bytes_of(storage);
    const int64_t offset = arguments[1].integer();
    const auto tensor = StridedTensor::within(bytes, file_, dtype, dims, strides, offset);
    if (!tensor) {
      bad("tensor `{}`: {} {} with strides {} from element {} does not fit the {} bytes of storage `{}`; the file is "
          "damaged",
          name_, name_of(dtype), to_string(dims), to_string(strides), offset, bytes.size(), storage.key);
    }
    if (!tensor->is_contiguous()) {
      const uint64_t limit = kMaxExpandedBytes + 2 * file_->bytes().size();
      const uint64_t size = static_cast<uint64_t>(tensor->count()) * size_of(dtype);
      if (size > limit - expanded_) {
        bad("tensor `{}` takes {} bytes from a storage of {}, and all such tensors more than {}; save their values",
            name_, size, bytes.size(), limit);
      }
      expanded_ += size;
    }
    return *tensor;
  }

  Dims integers_of(Value list) const {
    if (list.is(Kind::kCall) && list.text() == kSize && list.size() == 1) list = list[0];
    if (!list.is(Kind::kTuple) && !list.is(Kind::kList)) bad("tensor `{}`: its shape is {}", name_, list.description());
    if (list.size() > kMaxRank) bad("tensor `{}` has {} dimensions, the limit is {}", name_, list.size(), kMaxRank);
    Dims result;
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (!list[i].is(Kind::kInteger)) bad("tensor `{}`: {} in its shape", name_, list[i].description());
      result.push_back(list[i].integer());
    }
    return result;
  }

  WeightFile file_;
  std::string where_;
  std::string name_;  // of the tensor at hand
  uint64_t expanded_ = 0;
};

class ZippedStateDict : public StateDict {
 public:
  ZippedStateDict(const WeightFile& file, const ZipArchive& archive, std::string root)
      : StateDict(file, file->path().string()), archive_(archive), root_(std::move(root)) {}

 private:
  std::span<const std::byte> bytes_of(const Storage& storage) override {
    const auto bytes = archive_.stored(root_ + "data/" + storage.key).bytes;
    const auto width = static_cast<int64_t>(size_of(storage.dtype));
    if (storage.full_count > static_cast<int64_t>(bytes.size()) / width) {
      bad("tensor `{}`: storage `{}` has {} bytes, {} {} are expected; the file is damaged", name(), storage.key,
          bytes.size(), storage.full_count, name_of(storage.dtype));
    }
    return bytes.subspan(static_cast<std::size_t>(storage.first * width),
                         static_cast<std::size_t>(storage.count * width));
  }

  const ZipArchive& archive_;
  std::string root_;
};

// The folder inside the archive in which `data.pkl` lies.
std::string root_folder(const ZipArchive& archive) {
  constexpr std::string_view kPickle = "data.pkl";
  std::optional<std::string> root;
  for (const std::string_view name : archive.names()) {
    const std::size_t slash = name.rfind('/');
    if (name.substr(slash == name.npos ? 0 : slash + 1) != kPickle) continue;
    if (root) bad_input("{} @ {}: a second `{}`; give a file of one state dict", archive.path(), name, kPickle);
    root = name.substr(0, name.size() - kPickle.size());
  }
  if (!root) {
    bad_input("{}: a zip archive without `{}` among its {} entries; give a file that torch.save wrote", archive.path(),
              kPickle, archive.names().size());
  }
  return *root;
}

Checkpoint read_zipped(const WeightFile& file) {
  const ZipArchive archive = ZipArchive::of(file);
  const std::string root = root_folder(archive);
  if (archive.contains(root + "constants.pkl")) {
    bad_input("{}: holds a TorchScript program, not a state dict; save `model.state_dict()`", archive.path());
  }
  if (archive.contains(root + "byteorder")) {
    const std::string order(archive.stored(root + "byteorder").text());
    if (order != "little") {
      bad_input("{}: byte order `{}`, only `little` is read; save it again on another machine", archive.path(),
                order.substr(0, 100));
    }
  }
  const Pickle pickle =
      Pickle::read(archive.stored(root + "data.pkl").bytes, archive.path() + " @ data.pkl", is_allowed);
  return ZippedStateDict(file, archive, root).read(pickle.root());
}

class LegacyStateDict : public StateDict {
 public:
  explicit LegacyStateDict(const WeightFile& file) : StateDict(file, file->path().string()) {}

  Checkpoint read_file() {
    at_ = kMagic.size();
    const Pickle version = next_pickle("protocol version");
    if (version.root().integer() != kLegacyVersion) {
      bad("protocol version {} found, {} is known; save it again", version.root().integer(), kLegacyVersion);
    }
    const Pickle system = next_pickle("system");
    if (const Value root = system.root(); root.is(Kind::kDict)) {
      for (std::size_t i = 0; i + 1 < root.size(); i += 2) {
        if (root[i].text() == "little_endian" && root[i + 1].integer() == 0) {
          bad("was saved on a big-endian machine; save it again on another");
        }
      }
    }
    const Pickle state = next_pickle("state dict");
    const Pickle keys = next_pickle("storage keys");
    find_storages(state.root());
    locate(keys.root());
    return read(state.root());
  }

 private:
  struct Located {
    std::size_t width = 0;
    std::span<const std::byte> bytes;
  };

  Pickle next_pickle(std::string_view what) {
    Pickle pickle = Pickle::read(file()->bytes().subspan(at_),
                                 fmt::format("{} @ {} from 0x{:x}", file()->path().string(), what, at_), is_allowed);
    at_ += pickle.size();
    return pickle;
  }

  // The file does not say how wide a storage's elements are; the tensors that use it do.
  void find_storages(const Value& root) {
    for (std::size_t i = 1; i < root.size(); i += 2) {
      Value value = root[i];
      for (int depth = 0; depth < kMaxWrappers && value.is(Kind::kCall) && value.size() > 0; ++depth) {
        value = value.text() == kRebuildFromType && value.size() > 2 ? value[2] : value[0];
        if (value.is(Kind::kTuple) && value.size() > 0) value = value[0];
      }
      if (!value.is(Kind::kPersistent)) continue;  // is told when the tensor is made
      const Storage storage = storage_of(value);
      const std::size_t width = size_of(storage.dtype);
      const auto [known, is_new] = storages_.emplace(storage.key, Located{width, {}});
      if (!is_new && known->second.width != width) {
        bad("storage `{}` is said to have elements of {} bytes and of {}; the file is damaged", storage.key,
            known->second.width, width);
      }
    }
  }

  void locate(const Value& keys) {
    if (!keys.is(Kind::kList))
      bad("{} stands where the list of storages should; the file is damaged", keys.description());
    std::set<std::string_view> seen;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const std::string_view key = keys[i].text();
      const auto storage = storages_.find(key);
      if (storage == storages_.end() || !seen.insert(key).second) {
        bad("storage `{}` is listed {}; the file is damaged", key,
            storage == storages_.end() ? "but used by no tensor" : "twice");
      }
      const auto bytes = file()->bytes();
      uint64_t count = 0;
      const std::size_t left = bytes.size() - at_;
      if (left >= sizeof count) std::memcpy(&count, bytes.data() + at_, sizeof count);
      if (left < sizeof count || count > (left - sizeof count) / storage->second.width) {
        bad("storage `{}` has {} elements of {} bytes, {} bytes are left at 0x{:x}; the file is truncated", key, count,
            storage->second.width, left, at_);
      }
      at_ += sizeof count;
      storage->second.bytes = bytes.subspan(at_, count * storage->second.width);
      at_ += storage->second.bytes.size();
    }
  }

  std::span<const std::byte> bytes_of(const Storage& storage) override {
    const auto found = storages_.find(storage.key);
    const auto width = static_cast<int64_t>(size_of(storage.dtype));
    if (found == storages_.end() || found->second.width != static_cast<std::size_t>(width) ||
        storage.full_count > static_cast<int64_t>(found->second.bytes.size()) / width) {
      bad("tensor `{}`: storage `{}` has {} bytes, {} {} are expected; the file is damaged", name(), storage.key,
          found == storages_.end() ? 0 : found->second.bytes.size(), storage.full_count, name_of(storage.dtype));
    }
    return found->second.bytes.subspan(static_cast<std::size_t>(storage.first * width),
                                       static_cast<std::size_t>(storage.count * width));
  }

  std::size_t at_ = 0;
  std::map<std::string, Located, std::less<>> storages_;
};

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

}  // namespace

bool looks_like_zip(const MappedFile& file) { return text_of(file).starts_with("PK\x03\x04"); }

bool looks_like_pickle(const MappedFile& file) {
  const std::string_view text = text_of(file);
  return text.size() > 2 && text[0] == '\x80' && text[1] >= 2 && text[1] <= 5;
}

Checkpoint read_pytorch(const WeightFile& file) {
  if (looks_like_zip(*file)) return read_zipped(file);
  if (text_of(*file).starts_with(kMagic)) return LegacyStateDict(file).read_file();
  // A bare pickle: it may hold no tensors, yet what it asks for is worth telling.
  const Pickle pickle = Pickle::read(file->bytes(), file->path().string(), is_allowed);
  bad_input("{} @ 0x0: a pickle of {} without PyTorch's header; save it with torch.save", file->path().string(),
            pickle.root().description());
}

}  // namespace crossload
