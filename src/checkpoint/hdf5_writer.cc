// The file is: superblock, the elements of all datasets, then the tail: headers of datasets, and of each group, behind
// what it holds, its heap of names, symbol table nodes, one B-tree node and header. hdf5_format.h describes the parts.
// Nodes have libhdf5's usual sizes unless a group has more members than one B-tree node leads to: then B-tree nodes of
// the whole file are larger.
#include "checkpoint/hdf5_writer.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"

namespace crossload::hdf5 {
namespace {

constexpr std::size_t kAlignment = 64;  // of elements in the file
constexpr uint16_t kSymbolsK = 4;
constexpr uint16_t kUsualTreeK = 16;
constexpr Address kNoFreeBlock = 1;

static_assert(std::endian::native == std::endian::little);

std::size_t rounded_up(std::size_t size, std::size_t step) { return (size + step - 1) / step * step; }

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void pad(std::string& out, std::size_t step = 8) { out.resize(rounded_up(out.size(), step), '\0'); }

// Version 1 of a datatype: class, 24 bits of flags, size.
std::string datatype(Class type_class, uint32_t flags, std::size_t size) {
  std::string out;
  put<uint32_t>(out, uint32_t{0x10} | type_class | flags << 8);
  put<uint32_t>(out, static_cast<uint32_t>(size));
  return out;
}

std::string integer_type(std::size_t size, bool is_signed) {
  std::string out = datatype(kFixedPoint, is_signed ? 0x08 : 0, size);
  put<uint16_t>(out, 0);
  put<uint16_t>(out, static_cast<uint16_t>(8 * size));
  return out;
}

std::string float_type(const FloatFormat& format) {
  constexpr uint32_t kImpliedFirstBit = 0x20;
  std::string out = datatype(kFloatingPoint, kImpliedFirstBit | (format.precision - 1u) << 8, format.precision / 8);
  put<uint16_t>(out, 0);
  put<uint16_t>(out, format.precision);
  put<uint8_t>(out, format.exponent_at);
  put<uint8_t>(out, format.exponent_size);
  put<uint8_t>(out, 0);
  put<uint8_t>(out, format.mantissa_size);
  put<uint32_t>(out, format.bias);
  return out;
}

// As h5py has it: an 8-bit integer, the names of two values, the values.
std::string bool_type() {
  return datatype(kEnumeration, 2, 1) + integer_type(1, true) + std::string("FALSE\0\0\0TRUE\0\0\0\0\0\1", 18);
}

std::string text_type(std::size_t size) {
  constexpr uint32_t kNullPadded = 1;
  return datatype(kString, kNullPadded, size);
}

std::string type_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat16: return float_type(kFloat16Format);
    case DType::kBFloat16: return float_type(kBFloat16Format);
    case DType::kFloat32: return float_type(kFloat32Format);
    case DType::kFloat64: return float_type(kFloat64Format);
    case DType::kBool: return bool_type();
    default: break;
  }
  if (!is_integer(dtype)) bad_input("weights: HDF5 has no common form for {}; cast such weights first", name_of(dtype));
  const bool is_unsigned =
      dtype == DType::kUInt8 || dtype == DType::kUInt16 || dtype == DType::kUInt32 || dtype == DType::kUInt64;
  return integer_type(size_of(dtype), !is_unsigned);
}

// Version 1 of a dataspace; no dimensions are a scalar.
std::string space_of(std::span<const int64_t> dims) {
  std::string out = {'\1', static_cast<char>(dims.size())};
  pad(out);
  for (const int64_t d : dims) put<uint64_t>(out, static_cast<uint64_t>(d));
  return out;
}

void put_message(std::string& out, Message type, std::string body) {
  pad(body);
  put<uint16_t>(out, type);
  put<uint16_t>(out, static_cast<uint16_t>(body.size()));
  put<uint32_t>(out, 0);
  out += body;
}

void put_header(std::string& out, uint16_t message_count, uint32_t links, const std::string& messages) {
  put<uint16_t>(out, 1);
  put<uint16_t>(out, message_count);
  put<uint32_t>(out, links);
  put<uint32_t>(out, static_cast<uint32_t>(messages.size()));
  put<uint32_t>(out, 0);
  out += messages;
}

void put_entry(std::string& out, uint64_t name, Address object, uint32_t kind, Address tree, Address heap) {
  put<uint64_t>(out, name);
  put<Address>(out, object);
  put<uint32_t>(out, kind);
  put<uint32_t>(out, 0);
  put<Address>(out, tree);
  put<Address>(out, heap);
}

}  // namespace

// Writes consecutive objects, each after those that it names.
class Builder::Tail {
 public:
  struct GroupAddress {
    Address header, tree, heap;
  };

  Tail(std::size_t offset, uint16_t tree_k) : offset_(offset), tree_k_(tree_k) {}

  void add(const Entry& dataset) {
    headers_.push_back(here());
    std::string fill = {2, 2, 2, 0};  // version 2; allocated late, written when set, not set
    std::string layout = {3, 1};
    put<Address>(layout, dataset.size == 0 ? kUndefined : dataset.offset);
    put<uint64_t>(layout, dataset.size);
    std::string messages;
    put_message(messages, kDataspace, dataset.dataspace);
    put_message(messages, kDatatype, dataset.datatype);
    put_message(messages, kFillValue, fill);
    put_message(messages, kLayout, layout);
    put_header(bytes_, 4, dataset.links, messages);
  }

  GroupAddress add(const Group& group) {
    std::map<std::string_view, Address> members;
    for (const auto& [name, dataset] : group.datasets) members[name] = headers_[dataset];
    for (const auto& [name, inner] : group.groups) members[name] = add(*inner).header;

    std::string names(8, '\0');  // the empty name, before which nothing sorts
    std::vector<uint64_t> name_offsets;
    for (const auto& [name, address] : members) {
      name_offsets.push_back(names.size());
      names.append(name).push_back('\0');
      pad(names);
    }
    GroupAddress address{};
    address.heap = here();
    bytes_ += "HEAP";
    put<uint32_t>(bytes_, 0);
    put<uint64_t>(bytes_, names.size());
    put<uint64_t>(bytes_, kNoFreeBlock);
    put<Address>(bytes_, address.heap + kHeapHeaderSize);
    bytes_ += names;

    std::vector<Address> nodes;
    std::vector<uint64_t> last_names;
    auto member = members.begin();
    for (std::size_t i = 0; i < members.size(); i += 2 * kSymbolsK) {
      const std::size_t count = std::min<std::size_t>(2 * kSymbolsK, members.size() - i);
      nodes.push_back(here());
      last_names.push_back(name_offsets[i + count - 1]);
      std::string node = "SNOD";
      put<uint16_t>(node, 1);
      put<uint16_t>(node, static_cast<uint16_t>(count));
      for (std::size_t j = 0; j < count; ++j, ++member) put_entry(node, name_offsets[i + j], member->second, 0, 0, 0);
      node.resize(kSymbolsHeaderSize + 2 * kSymbolsK * kEntrySize, '\0');
      bytes_ += node;
    }

    address.tree = here();
    std::string tree = "TREE";
    put<uint16_t>(tree, 0);
    put<uint16_t>(tree, static_cast<uint16_t>(nodes.size()));
    put<Address>(tree, kUndefined);
    put<Address>(tree, kUndefined);
    put<uint64_t>(tree, 0);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      put<Address>(tree, nodes[i]);
      put<uint64_t>(tree, last_names[i]);
    }
    tree.resize(kTreeHeaderSize + 8 + 2 * std::size_t{tree_k_} * 16, '\0');
    bytes_ += tree;

    address.header = here();
    std::string table;
    put<Address>(table, address.tree);
    put<Address>(table, address.heap);
    std::string messages;
    put_message(messages, kSymbolTable, table);
    messages += group.attributes;
    put_header(bytes_, static_cast<uint16_t>(1 + group.attribute_count), 1, messages);
    return address;
  }

  std::string take() { return std::move(bytes_); }

 private:
  Address here() const { return offset_ + bytes_.size(); }

  std::size_t offset_;
  uint16_t tree_k_;
  std::string bytes_;
  std::vector<Address> headers_;  // of datasets
};

Builder::Dataset Builder::add_dataset(DType dtype, const Dims& dims) {
  const std::size_t offset = rounded_up(data_end_, kAlignment);
  const std::size_t size = static_cast<std::size_t>(element_count(dims)) * size_of(dtype);
  datasets_.push_back({offset, size, type_of(dtype), space_of(dims)});
  data_end_ = offset + size;
  return datasets_.size() - 1;
}

Builder::Group& Builder::group_at(std::string_view path) {
  Group* group = &root_;
  if (path.empty()) return *group;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view name = path.substr(begin, end - begin);
    if (name.empty() || name == "." || name.find('\0') != name.npos) {
      bad_input("weights: `{}` cannot be a path in an HDF5 file; rename the weight", path);
    }
    if (group->datasets.contains(name)) {
      bad_input("weights: `{}` is a weight and holds others at once, which HDF5 cannot; rename it",
                path.substr(0, end));
    }
    auto& inner = group->groups[std::string(name)];
    if (!inner) inner = std::make_unique<Group>();
    group = inner.get();
    begin = end + 1;
  }
  return *group;
}

void Builder::link(Dataset dataset, std::string_view path) {
  const std::size_t slash = path.rfind('/');
  const std::string name(path.substr(slash == path.npos ? 0 : slash + 1));
  Group& group = group_at(path.substr(0, slash == path.npos ? 0 : slash));
  if (name.empty() || name == "." || name.find('\0') != name.npos || group.groups.contains(name) ||
      !group.datasets.emplace(name, dataset).second) {
    bad_input("weights: `{}` cannot be the place of a weight in an HDF5 file, or is taken; rename the weight", path);
  }
  ++datasets_[dataset].links;
}

// Version 1 of an attribute.
void Builder::add_attribute(std::string_view group_path, std::string_view name, const std::string& type,
                            const std::string& space, const std::string& data) {
  std::string body;
  put<uint16_t>(body, 1);
  put<uint16_t>(body, static_cast<uint16_t>(name.size() + 1));
  put<uint16_t>(body, static_cast<uint16_t>(type.size()));
  put<uint16_t>(body, static_cast<uint16_t>(space.size()));
  body.append(name).push_back('\0');
  pad(body);
  body += type;
  pad(body);
  body += space;
  pad(body);
  body += data;
  Group& group = group_at(group_path);
  put_message(group.attributes, kAttribute, body);
  ++group.attribute_count;
}

void Builder::set_text(std::string_view group, std::string_view name, const std::string& text) {
  add_attribute(group, name, text_type(std::max<std::size_t>(1, text.size())), space_of({}), text);
}

void Builder::set_texts(std::string_view group, std::string_view name, std::span<const std::string> texts) {
  const auto count = static_cast<int64_t>(texts.size());
  if (texts.empty()) {
    add_attribute(group, name, float_type(kFloat64Format), space_of(std::span(&count, 1)), "");
    return;
  }
  std::size_t width = 1;
  for (const std::string& text : texts) width = std::max(width, text.size());
  if (width > kMaxTexts) {
    bad_input("weights: a name of {} bytes, HDF5 takes {}; rename the weight", width, kMaxTexts);
  }
  // Parts of one size, the first ones longer by one where it does not divide.
  std::size_t parts = 1;
  while ((texts.size() + parts - 1) / parts * width > kMaxTexts) ++parts;
  for (std::size_t i = 0, first = 0; i < parts; ++i) {
    const std::size_t length = texts.size() / parts + (i < texts.size() % parts ? 1 : 0);
    std::string data;
    for (const std::string& text : texts.subspan(first, length)) {
      data += text;
      data.append(width - text.size(), '\0');
    }
    const auto size = static_cast<int64_t>(length);
    add_attribute(group, parts == 1 ? std::string(name) : fmt::format("{}{}", name, i), text_type(width),
                  space_of(std::span(&size, 1)), data);
    first += length;
  }
}

Builder::File Builder::finish() const {
  std::size_t most = 0;
  const auto count = [&most](const auto& self, const Group& group) -> void {
    most = std::max(most, group.groups.size() + group.datasets.size());
    for (const auto& [name, inner] : group.groups) self(self, *inner);
  };
  count(count, root_);
  const std::size_t tree_k = std::max<std::size_t>(kUsualTreeK, (most + 4 * kSymbolsK - 1) / (4 * kSymbolsK));
  if (tree_k > 0x7fff)
    bad_input("weights: {} in one group, an HDF5 file takes {}; shard them", most, 4 * kSymbolsK * 0x7fff);

  File file;
  file.tail.offset = rounded_up(data_end_, 8);
  Tail tail(file.tail.offset, static_cast<uint16_t>(tree_k));
  for (const Entry& dataset : datasets_) tail.add(dataset);
  const Tail::GroupAddress root = tail.add(root_);
  file.tail.bytes = tail.take();

  std::string& head = file.head.bytes;
  file.head.offset = 0;
  head += kSignature;
  head.append({0, 0, 0, 0, 0, 8, 8, 0});
  put<uint16_t>(head, kSymbolsK);
  put<uint16_t>(head, static_cast<uint16_t>(tree_k));
  put<uint32_t>(head, 0);
  put<Address>(head, 0);
  put<Address>(head, kUndefined);
  put<Address>(head, file.size());
  put<Address>(head, kUndefined);
  put_entry(head, 0, root.header, 1, root.tree, root.heap);
  return file;
}

}  // namespace crossload::hdf5
