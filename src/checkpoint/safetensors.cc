// The safetensors format (https://github.com/huggingface/safetensors):
//   u64   little-endian: size of the header in bytes, at most 100 MB
//   text  JSON object, may be padded with spaces:
//         {"__metadata__": {text: text},
//          "<name>": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...}
//   data  little-endian row-major elements; offsets count from here, and the tensors cover it without gap or overlap
#include <simdjson.h>

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "checkpoint/formats.h"

namespace crossload {
namespace {

constexpr uint64_t kLengthSize = 8;
constexpr uint64_t kMaxHeaderSize = 100'000'000;

struct Located {
  std::string name;
  DType dtype;
  Dims dims;
  uint64_t begin, end;
};

class Reader {
 public:
  explicit Reader(const WeightFile& file) : mapped_(file) {}

  Checkpoint read() {
    const std::string_view header = read_header();
    data_start_ = kLengthSize + header.size();
    std::vector<Located> tensors = parse(header);
    check_cover(tensors);
    std::vector<std::pair<std::string, StridedTensor>> result;
    result.reserve(tensors.size());
    for (Located& t : tensors) {
      const auto bytes = mapped_->bytes().subspan(data_start_ + t.begin, t.end - t.begin);
      result.emplace_back(std::move(t.name), Tensor(t.dtype, std::move(t.dims), bytes, mapped_));
    }
    return Checkpoint(std::move(result), mapped_->path(), std::move(metadata_));
  }

 private:
  template <typename... Args>
  [[noreturn]] void bad(uint64_t offset, fmt::format_string<Args...> format, Args&&... args) const {
    bad_input("{} @ {:#06x}: {}", mapped_->path().string(), offset, fmt::format(format, std::forward<Args>(args)...));
  }

  std::string_view read_header() const {
    const auto bytes = mapped_->bytes();
    if (bytes.size() < kLengthSize) {
      bad(0, "the file has {} bytes; a safetensors file has at least {}; download it again", bytes.size(), kLengthSize);
    }
    uint64_t size = 0;
    for (std::size_t i = kLengthSize; i-- > 0;) size = size << 8 | static_cast<uint64_t>(bytes[i]);
    if (size > kMaxHeaderSize) {
      bad(0, "the header is said to have {} bytes, the limit is {}; is this a safetensors file?", size, kMaxHeaderSize);
    }
    if (size > bytes.size() - kLengthSize) {
      bad(0, "the header is said to have {} bytes, the file has {} after its length; download it again", size,
          bytes.size() - kLengthSize);
    }
    return {reinterpret_cast<const char*>(bytes.data()) + kLengthSize, static_cast<std::size_t>(size)};
  }

  std::vector<Located> parse(std::string_view header) {
    if (header.empty() || header.front() != '{') {
      bad(kLengthSize, "the header does not begin with `{{`; is this a safetensors file?");
    }
    simdjson::dom::parser parser;
    simdjson::dom::object root;
    const simdjson::padded_string text(header);
    if (const auto error = parser.parse(text).get(root)) {
      bad(kLengthSize, "the header is no JSON object ({}); download the file again", simdjson::error_message(error));
    }
    std::vector<Located> tensors;
    std::vector<std::string_view> names;
    for (const auto& [name, value] : root) {
      names.push_back(name);
      if (name == "__metadata__") {
        parse_metadata(value);
      } else {
        tensors.push_back(parse_tensor(name, value));
      }
    }
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end()) bad(kLengthSize, "tensor `{}` stands twice; names must be unique", *twice);
    return tensors;
  }

  void parse_metadata(simdjson::dom::element value) {
    simdjson::dom::object entries;
    if (value.get(entries)) bad(kLengthSize, "`__metadata__` is no object; download the file again");
    for (const auto& [key, text] : entries) {
      std::string_view string;
      if (text.get(string)) {
        bad(kLengthSize, "`__metadata__` holds {} at `{}`, a text is expected; download the file again",
            simdjson::to_string(text), key);
      }
      metadata_.insert_or_assign(std::string(key), std::string(string));
    }
  }

  Located parse_tensor(std::string_view name, simdjson::dom::element value) const {
    Located t{std::string(name), DType::kFloat32, {}, 0, 0};
    std::string_view dtype;
    if (value["dtype"].get(dtype)) bad(kLengthSize, "tensor `{}` has no `dtype`; download the file again", name);
    const auto known = dtype_from_safetensors_name(dtype);
    if (!known) bad(kLengthSize, "tensor `{}` has the unknown dtype `{}`; convert it to a known one", name, dtype);
    t.dtype = *known;

    simdjson::dom::array shape;
    if (value["shape"].get(shape)) bad(kLengthSize, "tensor `{}` has no `shape`; download the file again", name);
    uint64_t need = size_of(t.dtype);
    bool fits = true;
    for (const auto dim : shape) {
      int64_t size = 0;
      if (dim.get(size) || size < 0) {
        bad(kLengthSize, "tensor `{}` has dimension {}; dimensions are integers from 0 to 2^63 - 1", name,
            simdjson::to_string(dim));
      }
      t.dims.push_back(size);
    }
    // A zero may stand behind a product that overflows; PyTorch could not make such a tensor either.
    for (const int64_t d : t.dims) fits = fits && !__builtin_mul_overflow(need, static_cast<uint64_t>(d), &need);
    if (!fits || need > static_cast<uint64_t>(INT64_MAX)) {
      bad(kLengthSize, "tensor `{}` has shape {}, whose bytes do not fit 63 bits; download the file again", name,
          to_string(t.dims));
    }

    simdjson::dom::array offsets;
    uint64_t pair[2] = {0, 0};
    std::size_t count = 0;
    if (!value["data_offsets"].get(offsets)) {
      for (const auto offset : offsets) {
        if (count < 2 && offset.get(pair[count])) break;
        ++count;
      }
    }
    if (count != 2 || pair[0] > pair[1]) {
      bad(kLengthSize, "tensor `{}` has no `data_offsets` [begin, end] with begin <= end; download the file again",
          name);
    }
    t.begin = pair[0];
    t.end = pair[1];
    const uint64_t data_size = mapped_->bytes().size() - data_start_;
    if (t.end > data_size) {
      bad(data_start_, "tensor `{}` ends at byte {} of the data, the file has {}; download it again", name, t.end,
          data_size);
    }
    if (t.end - t.begin != need) {
      std::string type(safetensors_name_of(t.dtype));
      std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return std::tolower(c); });
      bad(data_start_ + t.begin, "tensor `{}` has {} bytes; shape {} {} needs {}", name, t.end - t.begin,
          to_string(t.dims), type, need);
    }
    return t;
  }

  void check_cover(std::vector<Located>& tensors) const {
    std::sort(tensors.begin(), tensors.end(),
              [](const Located& a, const Located& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
    uint64_t position = 0;
    for (const Located& t : tensors) {
      if (t.begin != position) {
        bad(data_start_ + t.begin, "tensor `{}` begins at byte {} of the data, the one before it ends at {}; {}",
            t.name, t.begin, position, t.begin < position ? "tensors must not overlap" : "no gaps are allowed");
      }
      position = t.end;
    }
    const uint64_t data_size = mapped_->bytes().size() - data_start_;
    if (position != data_size) {
      bad(data_start_ + position, "{} bytes follow the last tensor; no gaps are allowed", data_size - position);
    }
  }

  WeightFile mapped_;
  Checkpoint::Metadata metadata_;
  uint64_t data_start_ = 0;
};

}  // namespace

Checkpoint read_safetensors(const WeightFile& file) { return Reader(file).read(); }

}  // namespace crossload
