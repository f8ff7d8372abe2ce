// A config file lists for each FQN the entry that holds its storage (raw little-endian elements) and how the tensor
// lies in it: sizes, strides and offset, counted in elements. Several tensors may share one storage.
#include "program/stored_tensors.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <unordered_map>

#include "base/error.h"
#include "base/strided_tensor.h"
#include "program/json.h"
#include "program/schema_codes.h"

namespace crossload::program {
namespace {

// Tensors that do not lie contiguously are copied. As they may repeat elements of a small storage, all copies together
// may take this much on top of twice the archive's size.
constexpr int64_t kMaxExpandedBytes = int64_t{1} << 30;

struct Stored {
  std::string fqn;
  std::string entry;
  bool is_parameter = false;
  DType dtype = DType::kFloat32;
  Dims sizes;
  Dims strides;
  int64_t offset = 0;
};

int64_t constant_integer(Json value) {
  const auto [tag, number] = value.tagged();
  if (tag != "as_int") value.fail(fmt::format("holds `{}`, a stored tensor has `as_int`", tag));
  return number.integer();
}

Dims constant_integers(Json list) {
  Dims result;
  list.each([&](Json value) { result.push_back(constant_integer(value)); });
  return result;
}

class StoredReader {
 public:
  explicit StoredReader(const ZipArchive& archive) : archive_(archive) {}

  void read_config(const std::string& folder, std::string_view config) {
    const std::string name = folder + std::string(config);
    if (!archive_.contains(name)) return;
    const EntryBytes text = archive_.read(name);
    JsonDocument document(text.text(), fmt::format("{} @ {}", archive_.path(), name));
    document.root().at("config").each_field([&](std::string_view fqn, Json payload) {
      document.set_item("tensor", fqn);
      if (!fqns_.emplace(fqn).second) payload.fail("is listed twice");
      const auto pickled = payload.find("use_pickle");
      if (pickled && pickled->boolean()) {
        payload.fail("is a pickle, which is never opened: save plain tensors");
      }
      const Json meta = payload.at("tensor_meta");
      Stored stored;
      stored.fqn = fqn;
      stored.entry = folder + std::string(payload.at("path_name").string());
      const auto is_parameter = payload.find("is_param");
      stored.is_parameter = is_parameter && is_parameter->boolean();
      const int64_t code = meta.at("dtype").integer();
      const auto dtype = dtype_from_code(code);
      if (!dtype) {
        fail(ErrorKind::kUnsupported, "{}: {}: dtype {} has no TensorFlow form; cast the model first",
             payload.location().where, payload.location().item, name_of_dtype_code(code));
      }
      stored.dtype = *dtype;
      stored.sizes = constant_integers(meta.at("sizes"));
      stored.strides = constant_integers(meta.at("strides"));
      stored.offset = constant_integer(meta.at("storage_offset"));
      check_layout(stored, meta);
      stored_.push_back(std::move(stored));
    });
  }

  std::map<std::string, Tensor> tensors() {
    find_stand_ins();
    std::map<std::string, Tensor> result;
    for (const Stored& stored : stored_) {
      if (!is_stand_in(stored)) result.emplace(stored.fqn, tensor_of(stored));
    }
    return result;
  }

 private:
  static void check_layout(const Stored& s, Json meta) {
    if (s.sizes.size() != s.strides.size()) {
      meta.fail(fmt::format("has {} sizes and {} strides", s.sizes.size(), s.strides.size()));
    }
    const auto negative = [](int64_t n) { return n < 0; };
    if (std::any_of(s.sizes.begin(), s.sizes.end(), negative) || s.offset < 0 ||
        std::any_of(s.strides.begin(), s.strides.end(), negative)) {
      meta.fail(fmt::format("has a negative number: sizes {}, strides {}, offset {}", to_string(s.sizes),
                            to_string(s.strides), s.offset));
    }
    int64_t bytes = static_cast<int64_t>(size_of(s.dtype));
    for (const int64_t size : s.sizes) {
      if (__builtin_mul_overflow(bytes, size, &bytes))
        meta.fail(fmt::format("has sizes {} beyond 63 bits", to_string(s.sizes)));
    }
  }

  const EntryBytes& storage(const Stored& stored) {
    auto found = storages_.find(stored.entry);
    if (found == storages_.end()) found = storages_.emplace(stored.entry, archive_.read(stored.entry)).first;
    return found->second;
  }

  bool is_one_element(const Stored& s) { return storage(s).bytes.size() == size_of(s.dtype); }

  // A trace without weights stores one zero for each dtype and expands it to every parameter's shape. For a scalar
  // parameter this looks like a true value: it counts as a stand-in when any other parameter is certainly one.
  void find_stand_ins() {
    for (const Stored& s : stored_) {
      const bool expanded = !s.sizes.empty() && element_count(s.sizes) > 0 &&
                            std::all_of(s.strides.begin(), s.strides.end(), [](int64_t n) { return n == 0; });
      if (s.is_parameter && expanded && is_one_element(s)) {
        any_stand_in_ = true;
        return;
      }
    }
  }

  bool is_stand_in(const Stored& s) {
    if (!any_stand_in_ || !s.is_parameter || !is_one_element(s)) return false;
    return std::all_of(s.strides.begin(), s.strides.end(), [](int64_t n) { return n == 0; });
  }

  Tensor tensor_of(const Stored& s) {
    const int64_t count = element_count(s.sizes);
    if (count == 0) return Tensor(s.dtype, s.sizes, {}, nullptr);
    const auto size = count * static_cast<int64_t>(size_of(s.dtype));
    const EntryBytes& from = storage(s);
    const auto available = static_cast<int64_t>(from.bytes.size());
    const auto view = StridedTensor::within(from.bytes, from.owner, s.dtype, s.sizes, s.strides, s.offset);
    if (!view) {
      bad_input(
          "{} @ {}: {} bytes for tensor `{}`, too few for {} {} with strides {} from element {}; the file is damaged",
          archive_.path(), s.entry, available, s.fqn, name_of(s.dtype), to_string(s.sizes), to_string(s.strides),
          s.offset);
    }
    if (!view->is_contiguous()) {
      const int64_t limit = kMaxExpandedBytes + 2 * static_cast<int64_t>(archive_.size());
      if (size > limit - copied_) {
        bad_input(
            "{} @ {}: tensor `{}` expands {} bytes to {}, and all such tensors to more than {}; save their values",
            archive_.path(), s.entry, s.fqn, available, size, limit);
      }
      copied_ += size;
    }
    return view->to_tensor();
  }

  const ZipArchive& archive_;
  std::vector<Stored> stored_;
  std::set<std::string, std::less<>> fqns_;
  std::unordered_map<std::string, EntryBytes> storages_;
  bool any_stand_in_ = false;
  int64_t copied_ = 0;
};

}  // namespace

std::map<std::string, Tensor> read_stored_tensors(const ZipArchive& archive, const std::string& root) {
  StoredReader reader(archive);
  reader.read_config(root + "data/weights/", "model_weights_config.json");
  reader.read_config(root + "data/constants/", "model_constants_config.json");
  return reader.tensors();
}

}  // namespace crossload::program
