// A config file lists for each FQN the entry that holds its storage (raw little-endian elements) and how the tensor
// lies in it: sizes, strides and offset, counted in elements. Several tensors may share one storage.
#include "program/stored_tensors.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <string_view>
#include <unordered_map>

#include "base/error.h"
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

// Elements by strides; the innermost axis is copied element by element of constant width.
template <std::size_t Width>
void copy_strided(std::byte* to, const std::byte* from, const Dims& sizes, const Dims& strides) {
  const std::size_t rank = sizes.size();
  const int64_t inner = rank == 0 ? 1 : sizes[rank - 1];
  const int64_t step = rank == 0 ? 0 : strides[rank - 1];
  Dims index(rank, 0);
  int64_t source = 0;
  while (true) {
    for (int64_t i = 0; i < inner; ++i, to += Width) {
      std::memcpy(to, from + (source + i * step) * static_cast<int64_t>(Width), Width);
    }
    std::size_t axis = rank == 0 ? 0 : rank - 1;
    for (; axis > 0; --axis) {
      source += strides[axis - 1];
      if (++index[axis - 1] < sizes[axis - 1]) break;
      source -= strides[axis - 1] * sizes[axis - 1];
      index[axis - 1] = 0;
    }
    if (axis == 0) return;
  }
}

class StoredReader {
 public:
  explicit StoredReader(const Archive& archive) : archive_(archive) {}

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
             payload.place().where, payload.place().item, name_of_dtype_code(code));
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

  // A trace without weights keeps one zero a dtype and expands it to every parameter's shape. A scalar parameter is
  // then no different from a true one by itself: it counts as a stand-in when any other parameter surely is one.
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
    const auto width = static_cast<int64_t>(size_of(s.dtype));
    const EntryBytes& from = storage(s);
    const auto available = static_cast<int64_t>(from.bytes.size());

    // The last element that the strides reach, then the bytes up to its end.
    bool fits = true;
    int64_t reach = s.offset;
    int64_t expected = 1;
    bool contiguous = true;
    for (std::size_t axis = s.sizes.size(); axis-- > 0;) {
      int64_t extent = 0;
      fits = fits && !__builtin_mul_overflow(s.sizes[axis] - 1, s.strides[axis], &extent) &&
             !__builtin_add_overflow(reach, extent, &reach);
      contiguous = contiguous && (s.sizes[axis] == 1 || s.strides[axis] == expected);
      expected *= s.sizes[axis];
    }
    fits = fits && reach < available / width;
    if (!fits) {
      bad_input(
          "{} @ {}: {} bytes for tensor `{}`, too few for {} {} with strides {} from element {}; the file is damaged",
          archive_.path(), s.entry, available, s.fqn, name_of(s.dtype), to_string(s.sizes), to_string(s.strides),
          s.offset);
    }
    const auto source = from.bytes.subspan(static_cast<std::size_t>(s.offset * width));
    if (contiguous) {
      return Tensor(s.dtype, s.sizes, source.first(static_cast<std::size_t>(count * width)), from.owner);
    }
    const int64_t limit = kMaxExpandedBytes + 2 * static_cast<int64_t>(archive_.size());
    if (count * width > limit - copied_) {
      bad_input("{} @ {}: tensor `{}` expands {} bytes to {}, and all such tensors to more than {}; save their values",
                archive_.path(), s.entry, s.fqn, available, count * width, limit);
    }
    copied_ += count * width;
    auto buffer = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(count * width));
    switch (width) {
      case 1: copy_strided<1>(buffer->data(), source.data(), s.sizes, s.strides); break;
      case 2: copy_strided<2>(buffer->data(), source.data(), s.sizes, s.strides); break;
      case 4: copy_strided<4>(buffer->data(), source.data(), s.sizes, s.strides); break;
      case 8: copy_strided<8>(buffer->data(), source.data(), s.sizes, s.strides); break;
      default: copy_strided<16>(buffer->data(), source.data(), s.sizes, s.strides); break;
    }
    const std::span<const std::byte> view(*buffer);
    return Tensor(s.dtype, s.sizes, view, std::move(buffer));
  }

  const Archive& archive_;
  std::vector<Stored> stored_;
  std::set<std::string, std::less<>> fqns_;
  std::unordered_map<std::string, EntryBytes> storages_;
  bool any_stand_in_ = false;
  int64_t copied_ = 0;
};

}  // namespace

std::map<std::string, Tensor> read_stored_tensors(const Archive& archive, const std::string& root) {
  StoredReader reader(archive);
  reader.read_config(root + "data/weights/", "model_weights_config.json");
  reader.read_config(root + "data/constants/", "model_constants_config.json");
  return reader.tensors();
}

}  // namespace crossload::program
