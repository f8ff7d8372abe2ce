#include "checkpoint/hdf5_reader.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "checkpoint/other_form.h"

namespace crossload {

bool looks_like_hdf5(const MappedFile& file) {
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  return text.starts_with(hdf5::kSignature);
}

}  // namespace crossload

namespace crossload::hdf5 {

namespace {

constexpr std::size_t kMaxRank = 32;
constexpr std::size_t kMaxText = std::size_t{64} << 10;
constexpr std::size_t kMaxTexts = std::size_t{256} << 20;  // all that were asked for, in bytes
constexpr std::size_t kMaxDepth = 256;
constexpr uint8_t kSharedFlag = 2;

uint64_t round_up_8(uint64_t size) { return (size + 7) & ~uint64_t{7}; }

}  // namespace

struct Reader::Type {
  uint8_t type_class = 0;
  uint8_t version = 0;
  uint32_t flags = 0;  // 24 bits
  uint32_t size = 0;
  std::span<const std::byte> properties;
  std::size_t at = 0;
};

struct Reader::Space {
  Dims dims;
  bool is_null = false;
};

const Reader::Body* Reader::Header::find(uint16_t type) const {
  const auto found = std::find_if(messages.begin(), messages.end(), [&](const Body& m) { return m.type == type; });
  return found == messages.end() ? nullptr : &*found;
}

template <typename... Args>
void Reader::bad(std::size_t at, std::string_view format, const Args&... args) const {
  bad_input("{} @ {:#06x}: {}", file_->path().string(), at, fmt::format(fmt::runtime(format), args...));
}

template <typename... Args>
void Reader::other_form(std::size_t at, std::string_view format, const Args&... args) const {
  throw OtherForm(fmt::format("{} @ {:#06x}: {}; save it again with h5py's default `libver`, in one piece",
                              file_->path().string(), at, fmt::format(fmt::runtime(format), args...)));
}

std::span<const std::byte> Reader::slice(uint64_t at, uint64_t size, std::string_view what) const {
  if (at > bytes_.size() || size > bytes_.size() - at) {
    bad(at, "{} of {} bytes does not fit the file of {}; it is truncated or damaged", what, size, bytes_.size());
  }
  return bytes_.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(size));
}

template <typename T>
T Reader::number(std::span<const std::byte> bytes, std::size_t at, std::size_t body_at) const {
  if (at > bytes.size() || sizeof(T) > bytes.size() - at) {
    bad(body_at, "{} bytes where at least {} are expected; the file is damaged", bytes.size(), at + sizeof(T));
  }
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

// What stands in a file once is read once. A file whose parts overlap, or lie in a circle, could make the reader work
// and remember without end; it ends when more was read than two such files hold.
void Reader::spend(std::size_t at, uint64_t size) {
  if (size > 2 * bytes_.size() - spent_) {
    bad(at, "parts of the file overlap or lie in a circle; the file is damaged, do not use it");
  }
  spent_ += size;
}

Reader::Reader(WeightFile file) : file_(std::move(file)), bytes_(file_->bytes()) { read_superblock(); }

void Reader::read_superblock() {
  if (!looks_like_hdf5(*file_)) bad(0, "does not begin as an HDF5 file does; download it again");
  const auto bytes = slice(0, kSuperblockSize, "the superblock");
  const auto version = number<uint8_t>(bytes, 8, 0);
  if (version != 0) other_form(8, "version {} of the superblock, 0 is read", version);
  const auto address_size = number<uint8_t>(bytes, 13, 0), length_size = number<uint8_t>(bytes, 14, 0);
  if (address_size != 8 || length_size != 8) {
    other_form(13, "addresses of {} bytes and lengths of {}, 8 and 8 are read", address_size, length_size);
  }
  symbols_k_ = number<uint16_t>(bytes, 16, 0);
  tree_k_ = number<uint16_t>(bytes, 18, 0);
  const auto base = number<Address>(bytes, 24, 0);
  if (base != 0) other_form(24, "addresses count from {}, 0 is read", base);
  const auto end = number<Address>(bytes, 40, 0);
  if (end > bytes_.size()) bad(40, "the file has {} bytes, {} are expected; download it again", bytes_.size(), end);
  root_ = number<Address>(bytes, 64, 0);
  group_paths_.emplace(root_, "/");
}

const Reader::Header& Reader::header(const Object& object) {
  const auto known = headers_.find(object.address);
  if (known != headers_.end()) return known->second;
  const Address at = object.address;
  const auto prefix = slice(at, kObjectHeaderSize, "an object");
  if (number<uint8_t>(prefix, 0, at) != 1) other_form(at, "`{}` has no header of version 1", object.path);
  Header result;
  std::vector<std::pair<Address, uint64_t>> blocks = {{at + kObjectHeaderSize, number<uint32_t>(prefix, 8, at)}};
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto [block, size] = blocks[i];
    spend(block, kMessageHeaderSize + size);
    read_messages(block, size, result, blocks);
  }
  return headers_.emplace(at, std::move(result)).first->second;
}

void Reader::read_messages(Address at, uint64_t size, Header& result, std::vector<std::pair<Address, uint64_t>>& more) {
  const auto block = slice(at, size, "an object's messages");
  for (std::size_t i = 0; i + kMessageHeaderSize <= block.size();) {
    const auto type = number<uint16_t>(block, i, at);
    const auto length = number<uint16_t>(block, i + 2, at);
    const auto flags = number<uint8_t>(block, i + 4, at);
    const std::size_t begin = i + kMessageHeaderSize;
    if (length > block.size() - begin) {
      bad(at + i, "a message of {} bytes where {} are left; the file is damaged", length, block.size() - begin);
    }
    const auto body = block.subspan(begin, length);
    const bool is_shared = (flags & kSharedFlag) != 0;
    if (is_shared && (type == kDatatype || type == kDataspace || type == kAttribute || type == kLayout)) {
      other_form(at + i, "a message that stands elsewhere (type {:#x}), which is not read", type);
    }
    if (type == kContinuation) more.emplace_back(number<Address>(body, 0, at + i), number<uint64_t>(body, 8, at + i));
    result.messages.push_back({type, at + begin, body});
    i = begin + length;
  }
}

bool Reader::is_group(const Object& object) {
  const Header& messages = header(object);
  return messages.find(kSymbolTable) != nullptr || messages.find(kLinkInfo) != nullptr;
}

const Reader::Links& Reader::links(const Object& group) {
  const auto known = links_.find(group.address);
  if (known != links_.end()) return known->second;
  const Header& messages = header(group);
  const Body* const table = messages.find(kSymbolTable);
  if (table == nullptr) {
    if (messages.find(kLinkInfo) != nullptr || messages.find(kLink) != nullptr) {
      other_form(group.address, "`{}` keeps its links in the newer form", group.path);
    }
    bad(group.address, "`{}` is no group, which it should be; the file is damaged", group.path);
  }
  const auto tree = number<Address>(table->bytes, 0, table->at);
  const auto heap_at = number<Address>(table->bytes, 8, table->at);
  const auto heap = slice(heap_at, kHeapHeaderSize, "a heap");
  if (std::memcmp(heap.data(), "HEAP", 4) != 0) bad(heap_at, "no heap at this address; the file is damaged");
  const auto names = slice(number<Address>(heap, 24, heap_at), number<uint64_t>(heap, 8, heap_at), "a heap's data");
  Links result;
  std::set<Address> seen;
  read_tree(tree, -1, names, result, seen);
  return links_.emplace(group.address, std::move(result)).first->second;
}

// A child's level is one less than its parent's; -1: any.
void Reader::read_tree(Address node, int level, std::span<const std::byte> heap, Links& result,
                       std::set<Address>& seen) {
  const std::size_t size = kTreeHeaderSize + 8 + 2 * std::size_t{tree_k_} * 16;
  const auto bytes = slice(node, size, "a B-tree node");
  spend(node, size);
  const int own_level = number<uint8_t>(bytes, 5, node);
  const auto count = number<uint16_t>(bytes, 6, node);
  if (std::memcmp(bytes.data(), "TREE", 4) != 0 || number<uint8_t>(bytes, 4, node) != 0 ||
      (level >= 0 && own_level != level) || count > 2 * tree_k_ || !seen.insert(node).second) {
    bad(node, "no proper B-tree node (level {}, {} children); the file is damaged", own_level, count);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const auto child = number<Address>(bytes, kTreeHeaderSize + 8 + i * 16, node);
    if (own_level > 0) {
      read_tree(child, own_level - 1, heap, result, seen);
    } else if (seen.insert(child).second) {
      read_symbols(child, heap, result);
    } else {
      bad(child, "a symbol table node is met twice; the file is damaged");
    }
  }
}

void Reader::read_symbols(Address node, std::span<const std::byte> heap, Links& result) {
  const auto head = slice(node, kSymbolsHeaderSize, "a symbol table node");
  const auto count = number<uint16_t>(head, 6, node);
  if (std::memcmp(head.data(), "SNOD", 4) != 0 || count > 2 * symbols_k_) {
    bad(node, "no proper symbol table node ({} entries); the file is damaged", count);
  }
  const auto entries = slice(node + kSymbolsHeaderSize, count * kEntrySize, "symbol table entries");
  spend(node, kSymbolsHeaderSize + entries.size());
  for (std::size_t i = 0; i < count; ++i) {
    const auto entry = entries.subspan(i * kEntrySize, kEntrySize);
    const std::size_t at = node + kSymbolsHeaderSize + i * kEntrySize;
    std::string name = heap_name(heap, number<uint64_t>(entry, 0, at), at);
    spend(at, name.size());
    const Link link{number<Address>(entry, 8, at), number<uint32_t>(entry, 16, at) <= 1};
    if (const auto [known, is_new] = result.emplace(std::move(name), link); !is_new) {
      bad(at, "the name `{}` stands twice in its group; the file is damaged", known->first);
    }
  }
}

std::string Reader::heap_name(std::span<const std::byte> heap, uint64_t offset, std::size_t at) const {
  const auto* const begin = reinterpret_cast<const char*>(heap.data()) + std::min<uint64_t>(offset, heap.size());
  const auto* const last = reinterpret_cast<const char*>(heap.data()) + heap.size();
  const auto* const end =
      std::find(begin, std::min(last, begin + std::min<std::ptrdiff_t>(kMaxText, last - begin)), '\0');
  if (end == last || begin == end || *end != '\0') {
    bad(at, "a name at {} of a heap of {} bytes that does not end or is empty; the file is damaged", offset,
        heap.size());
  }
  return {begin, end};
}

std::optional<Reader::Object> Reader::find(const Object& group, std::string_view path) {
  Object object = group;
  if (static_cast<std::size_t>(std::count(path.begin(), path.end(), '/')) > kMaxDepth) {
    bad(group.address, "`{}` is nested deeper than {} groups; the file is damaged", path.substr(0, 1000), kMaxDepth);
  }
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view name = path.substr(begin, end - begin);
    if (name.empty() || name == ".") {
      bad(group.address, "`{}` in `{}` is no path below it; the file is damaged", path, group.path);
    }
    const Links& members = links(object);
    const auto link = members.find(name);
    if (link == members.end()) return std::nullopt;
    Object next{link->second.address, fmt::format("{}{}{}", object.path, object.path == "/" ? "" : "/", name)};
    if (!link->second.is_hard) {
      bad(object.address, "`{}` is a soft link, which is not followed; save it again with the weights in place",
          next.path);
    }
    if (is_group(next)) {
      const auto [known, is_new] = group_paths_.emplace(next.address, next.path);
      if (!is_new && known->second != next.path) {
        bad(next.address, "`{}` is `{}` again: groups link in a circle or twice, which is not read; save it again",
            next.path, known->second);
      }
    }
    object = std::move(next);
    begin = end + 1;
  }
  return object;
}

Reader::Type Reader::read_type(std::span<const std::byte> bytes, std::size_t at, const Object& object) const {
  Type type;
  const auto word = number<uint32_t>(bytes, 0, at);
  type.type_class = word & 0xf;
  type.version = (word >> 4) & 0xf;
  type.flags = word >> 8;
  type.size = number<uint32_t>(bytes, 4, at);
  type.properties = bytes.subspan(8);
  type.at = at;
  if (type.version < 1 || type.version > 3 || type.size == 0) {
    bad(at, "`{}` has a datatype of version {} and {} bytes; the file is damaged", object.path, type.version,
        type.size);
  }
  return type;
}

Reader::Space Reader::read_space(std::span<const std::byte> bytes, std::size_t at, const Object& object) const {
  const auto version = number<uint8_t>(bytes, 0, at);
  const std::size_t rank = number<uint8_t>(bytes, 1, at);
  if ((version != 1 && version != 2) || rank > kMaxRank) {
    bad(at, "`{}` has a dataspace of version {} and rank {}; the file is damaged", object.path, version, rank);
  }
  Space space;
  space.is_null = version == 2 && number<uint8_t>(bytes, 3, at) == 2;
  const std::size_t begin = version == 1 ? 8 : 4;
  for (std::size_t i = 0; i < rank; ++i) {
    const auto size = number<uint64_t>(bytes, begin + 8 * i, at);
    if (size > static_cast<uint64_t>(INT64_MAX))
      bad(at, "`{}` has dimension {}; the file is damaged", object.path, size);
    space.dims.push_back(static_cast<int64_t>(size));
  }
  return space;
}

// An attribute: version, flags, sizes of name, datatype and dataspace (u16 each), in version 3 the name's character
// set; then these three, in version 1 each filled up to a multiple of 8; then the values.
std::optional<std::vector<std::string>> Reader::texts(const Object& object, std::string_view attribute) {
  for (const Body& message : header(object).messages) {
    if (message.type == kAttributeInfo) {
      const auto flags = number<uint8_t>(message.bytes, 1, message.at);
      if (number<Address>(message.bytes, (flags & 1) != 0 ? 4 : 2, message.at) != kUndefined) {
        other_form(message.at, "`{}` keeps its attributes in the newer form", object.path);
      }
    }
    if (message.type != kAttribute) continue;
    const auto version = number<uint8_t>(message.bytes, 0, message.at);
    if (version < 1 || version > 3) {
      bad(message.at, "`{}` has an attribute of version {}, 1 to 3 are read; the file is damaged", object.path,
          version);
    }
    const auto padded = [&](uint16_t size) { return version == 1 ? round_up_8(size) : size; };
    const uint64_t sizes[] = {padded(number<uint16_t>(message.bytes, 2, message.at)),
                              padded(number<uint16_t>(message.bytes, 4, message.at)),
                              padded(number<uint16_t>(message.bytes, 6, message.at))};
    const uint64_t begin = version == 3 ? 9 : 8;
    if (begin + sizes[0] + sizes[1] + sizes[2] > message.bytes.size()) {
      bad(message.at, "an attribute of `{}` does not fit its {} bytes; the file is damaged", object.path,
          message.bytes.size());
    }
    std::string_view name(reinterpret_cast<const char*>(message.bytes.data()) + begin, sizes[0]);
    name = name.substr(0, name.find('\0'));
    if (name != attribute) continue;
    if (version > 1 && (number<uint8_t>(message.bytes, 1, message.at) & 3) != 0) {
      other_form(message.at, "attribute `{}` of `{}` has a type that stands elsewhere", attribute, object.path);
    }
    const Type type = read_type(message.bytes.subspan(begin + sizes[0], sizes[1]), message.at, object);
    const Space space = read_space(message.bytes.subspan(begin + sizes[0] + sizes[1], sizes[2]), message.at, object);
    const std::size_t data_at = begin + sizes[0] + sizes[1] + sizes[2];
    if (space.dims.size() > 1) {
      bad(message.at, "attribute `{}` of `{}` has shape {}, a list is expected; the file is damaged", attribute,
          object.path, to_string(space.dims));
    }
    const uint64_t count = space.is_null ? 0 : space.dims.empty() ? 1 : static_cast<uint64_t>(space.dims[0]);
    if (count == 0) return std::vector<std::string>();  // of whatever type: NumPy makes empty lists float64
    const auto data = message.bytes.subspan(data_at);
    if (count > data.size() / type.size) {
      bad(message.at, "attribute `{}` of `{}` has {} items of {} bytes in {}; the file is damaged", attribute,
          object.path, count, type.size, data.size());
    }
    return read_texts(type, count, data, message.at + data_at,
                      {object.address, fmt::format("{} {}", object.path, attribute)});
  }
  return std::nullopt;
}

std::vector<std::string> Reader::read_texts(const Type& type, uint64_t count, std::span<const std::byte> data,
                                            std::size_t at, const Object& object) {
  constexpr uint32_t kVariableText = 1;
  constexpr uint32_t kSpacePadded = 2;
  constexpr uint32_t kReferenceSize = 16;
  const bool is_variable = type.type_class == kVariableLength && (type.flags & 0xf) == kVariableText;
  if (type.type_class != kString && !is_variable) {
    bad(at, "`{}` has items of class {} where texts are expected; the file is damaged", object.path, type.type_class);
  }
  if (is_variable && type.size != kReferenceSize) {
    bad(at, "`{}` has texts of {} bytes each, {} are expected; the file is damaged", object.path, type.size,
        kReferenceSize);
  }
  std::vector<std::string> result;
  for (uint64_t i = 0; i < count; ++i) {
    const auto item = data.subspan(i * type.size, type.size);
    std::string text;
    if (is_variable) {
      text = heap_text(item, at + i * type.size);
    } else {
      text.assign(reinterpret_cast<const char*>(item.data()), item.size());
      text.resize(std::min(text.find('\0'), text.size()));
      if ((type.flags & 0xf) == kSpacePadded) text.erase(text.find_last_not_of(' ') + 1);
    }
    text_bytes_ += text.size() + 1;
    if (text.size() > kMaxText || text_bytes_ > kMaxTexts || !simdjson::validate_utf8(text)) {
      bad(at + i * type.size, "a text of {} bytes in `{}` is too long or not UTF-8; the file is damaged", text.size(),
          object.path);
    }
    result.push_back(std::move(text));
  }
  return result;
}

// Length (u32), address of a collection of the global heap, index in it (u32).
std::string Reader::heap_text(std::span<const std::byte> reference, std::size_t at) {
  const auto length = number<uint32_t>(reference, 0, at);
  const auto address = number<Address>(reference, 4, at);
  const auto index = number<uint32_t>(reference, 12, at);
  if (length == 0) return {};
  auto known = collections_.find(address);
  if (known == collections_.end()) {
    const auto head = slice(address, kCollectionHeaderSize, "a global heap");
    const auto size = number<uint64_t>(head, 8, address);
    if (std::memcmp(head.data(), "GCOL", 4) != 0 || size < kCollectionHeaderSize) {
      bad(address, "no global heap at this address; the file is damaged");
    }
    const auto collection = slice(address, size, "a global heap");
    spend(address, size);
    std::map<uint16_t, std::span<const std::byte>> objects;
    for (std::size_t i = kCollectionHeaderSize; i + 16 <= collection.size();) {
      const auto object_index = number<uint16_t>(collection, i, address);
      const auto object_size = number<uint64_t>(collection, i + 8, address);
      if (object_index == 0) break;  // free space, up to the end
      if (object_size > collection.size() - i - 16) {
        bad(address + i, "a text of {} bytes does not fit its heap of {}; the file is damaged", object_size, size);
      }
      objects[object_index] = collection.subspan(i + 16, object_size);
      i += 16 + std::min<uint64_t>(round_up_8(object_size), collection.size() - i - 16);
    }
    known = collections_.emplace(address, std::move(objects)).first;
  }
  const auto object = known->second.find(static_cast<uint16_t>(index));
  if (index > 0xffff || object == known->second.end() || length > object->second.size() || length > kMaxText) {
    bad(at, "a text of {} bytes (number {} of the heap at {:#x}) is not there; the file is damaged", length, index,
        address);
  }
  return {reinterpret_cast<const char*>(object->second.data()), length};
}

// Fixed point: bit 0 of the flags is the byte order, bit 3 the sign; properties: bit offset, precision (u16 each).
// Floating point: bits 0 and 6 byte order, byte 1 of the flags the position of the sign bit; properties: bit offset,
// precision (u16), position and size of exponent and mantissa (u8), bias (u32).
DType Reader::read_dtype(const Type& type, const Object& object) const {
  const auto& p = type.properties;
  const auto refuse = [&](std::string_view seen) {
    bad(type.at, "`{}` holds {}, which is not read; save it as floats or integers", object.path, seen);
  };
  const auto by_size = [&](DType one, DType two, DType four, DType eight) {
    switch (type.size) {
      case 1: return one;
      case 2: return two;
      case 4: return four;
      case 8: return eight;
      default: refuse(fmt::format("integers of {} bytes", type.size));
    }
    return one;
  };
  switch (type.type_class) {
    case kFixedPoint: {
      if ((type.flags & 1) != 0) other_form(type.at, "`{}` holds big-endian numbers", object.path);
      if (number<uint16_t>(p, 0, type.at) != 0 || number<uint16_t>(p, 2, type.at) != 8 * type.size) {
        refuse("integers with unused bits");
      }
      if ((type.flags & 8) != 0) return by_size(DType::kInt8, DType::kInt16, DType::kInt32, DType::kInt64);
      return by_size(DType::kUInt8, DType::kUInt16, DType::kUInt32, DType::kUInt64);
    }
    case kFloatingPoint: {
      if ((type.flags & 0x41) != 0) other_form(type.at, "`{}` holds big-endian numbers", object.path);
      constexpr std::pair<DType, FloatFormat> kKnown[] = {{DType::kFloat16, kFloat16Format},
                                                          {DType::kBFloat16, kBFloat16Format},
                                                          {DType::kFloat32, kFloat32Format},
                                                          {DType::kFloat64, kFloat64Format}};
      for (const auto& [dtype, format] : kKnown) {
        if (type.size * 8 == format.precision && number<uint16_t>(p, 0, type.at) == 0 &&
            number<uint16_t>(p, 2, type.at) == format.precision &&
            number<uint8_t>(p, 4, type.at) == format.exponent_at &&
            number<uint8_t>(p, 5, type.at) == format.exponent_size && number<uint8_t>(p, 6, type.at) == 0 &&
            number<uint8_t>(p, 7, type.at) == format.mantissa_size && number<uint32_t>(p, 8, type.at) == format.bias &&
            (type.flags >> 8 & 0xff) == format.precision - 1u) {
          return dtype;
        }
      }
      refuse(fmt::format("floating-point numbers of {} bytes and an unknown form", type.size));
      break;
    }
    case kOpaque:  // h5py's form of NumPy's bfloat16
      if (type.size == 2) return DType::kBFloat16;
      break;
    case kEnumeration: {  // h5py's form of bool: an 8-bit integer, then the names, each padded, then the values
      constexpr std::string_view kNames("FALSE\0\0\0TRUE\0\0\0\0\0\1", 18);
      constexpr std::size_t kBaseSize = 12;
      if (type.size == 1 && (type.flags & 0xffff) == 2 && p.size() >= kBaseSize + kNames.size() &&
          std::memcmp(p.data() + kBaseSize, kNames.data(), kNames.size()) == 0) {
        return DType::kBool;
      }
      refuse("an enumeration");
      break;
    }
    default: break;
  }
  refuse(fmt::format("items of class {} and {} bytes", type.type_class, type.size));
  return DType::kFloat32;
}

Tensor Reader::tensor(const Object& dataset) {
  const Header& messages = header(dataset);
  const Body* const type = messages.find(kDatatype);
  const Body* const space = messages.find(kDataspace);
  const Body* const layout = messages.find(kLayout);
  if (type == nullptr || space == nullptr || layout == nullptr) {
    bad(dataset.address, "`{}` is no dataset, which it should be; the file is damaged", dataset.path);
  }
  if (const Body* const external = messages.find(kExternalFiles)) {
    bad(external->at, "`{}` keeps its data in another file, which is never opened; save it again", dataset.path);
  }
  const DType dtype = read_dtype(read_type(type->bytes, type->at, dataset), dataset);
  Space shape = read_space(space->bytes, space->at, dataset);
  uint64_t size = size_of(dtype);
  bool fits = !shape.is_null;
  for (const int64_t d : shape.dims) fits = fits && !__builtin_mul_overflow(size, static_cast<uint64_t>(d), &size);
  if (!fits || size > static_cast<uint64_t>(INT64_MAX)) {
    bad(space->at, "`{}` has shape {}, whose bytes do not fit 63 bits; the file is damaged", dataset.path,
        to_string(shape.dims));
  }
  const auto stored = stored_bytes(*layout, dataset, size);
  if (stored.size() != size) {
    bad(layout->at, "`{}` has {} bytes; shape {} {} needs {}", dataset.path, stored.size(), to_string(shape.dims),
        name_of(dtype), size);
  }
  return Tensor(dtype, std::move(shape.dims), stored, file_);
}

// Version 3, class, then: of a compact dataset (0) its size (u16) and bytes, of a contiguous one (1) address and size.
std::span<const std::byte> Reader::stored_bytes(const Body& layout, const Object& dataset, uint64_t expected) const {
  const auto version = number<uint8_t>(layout.bytes, 0, layout.at);
  const auto layout_class = number<uint8_t>(layout.bytes, 1, layout.at);
  if (version != 3) {
    other_form(layout.at, "`{}` has a layout of version {}, 3 is read", dataset.path, version);
  }
  if (layout_class == 0) {
    const auto size = number<uint16_t>(layout.bytes, 2, layout.at);
    if (size > layout.bytes.size() - 4) {
      bad(layout.at, "`{}` has {} bytes in a message of {}; the file is damaged", dataset.path, size,
          layout.bytes.size());
    }
    return layout.bytes.subspan(4, size);
  }
  if (layout_class != 1) {
    other_form(layout.at, "`{}` is stored in chunks or otherwise (class {}), only data in one piece is read",
               dataset.path, layout_class);
  }
  const auto address = number<Address>(layout.bytes, 2, layout.at);
  const auto size = number<uint64_t>(layout.bytes, 10, layout.at);
  if (address == kUndefined) {
    if (expected == 0) return {};
    bad(layout.at, "`{}` was never written; save it again", dataset.path);
  }
  return slice(address, size, fmt::format("`{}`", dataset.path));
}

}  // namespace crossload::hdf5
