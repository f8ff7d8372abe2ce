// The part of HDF5 that weight files use, read strictly: anything else is an error, and no file crashes or misleads it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/tensor.h"
#include "checkpoint/formats.h"
#include "checkpoint/hdf5_format.h"

namespace crossload::hdf5 {

/// Read are: the first version of the format (hdf5_format.h), groups with hard links, attributes that are texts or
/// lists of texts, datasets in one piece. Every function throws `kBadInput`, with file and offset, for what is damaged
/// or of another form on the way to what is asked for; the rest of the file is not looked at.
class Reader {
 public:
  /// A group or dataset.
  struct Object {
    Address address = 0;
    std::string path;  // `/` is the root
  };

  explicit Reader(WeightFile file);

  Object root() const { return {root_, "/"}; }
  bool is_group(const Object& object);
  /// The object that a path of names and slashes leads to, nothing when a name on the way is not there. A group that is
  /// met on two different paths (a cycle, a second hard link) is refused, and so are soft and external links.
  std::optional<Object> find(const Object& group, std::string_view path);
  /// The items of an attribute that is a text or a list of texts; nothing when there is no such attribute.
  std::optional<std::vector<std::string>> texts(const Object& object, std::string_view attribute);
  /// A dataset's elements, mapped.
  Tensor tensor(const Object& dataset);

 private:
  struct Body {
    uint16_t type;
    std::size_t at;  // in the file
    std::span<const std::byte> bytes;
  };
  struct Header {
    std::vector<Body> messages;
    const Body* find(uint16_t type) const;
  };
  struct Link {
    Address address;
    bool is_hard;
  };
  using Links = std::map<std::string, Link, std::less<>>;
  struct Type;
  struct Space;

  template <typename... Args>
  [[noreturn]] void bad(std::size_t at, std::string_view format, const Args&... args) const;
  /// What h5py may read.
  template <typename... Args>
  [[noreturn]] void other_form(std::size_t at, std::string_view format, const Args&... args) const;
  std::span<const std::byte> slice(uint64_t at, uint64_t size, std::string_view what) const;
  template <typename T>
  T number(std::span<const std::byte> bytes, std::size_t at, std::size_t body_at) const;

  void read_superblock();
  void spend(std::size_t at, uint64_t size);
  const Header& header(const Object& object);
  void read_messages(Address at, uint64_t size, Header& result, std::vector<std::pair<Address, uint64_t>>& more);
  const Links& links(const Object& group);
  void read_tree(Address node, int level, std::span<const std::byte> heap, Links& result, std::set<Address>& seen);
  void read_symbols(Address node, std::span<const std::byte> heap, Links& result);
  std::string heap_name(std::span<const std::byte> heap, uint64_t offset, std::size_t at) const;
  Type read_type(std::span<const std::byte> bytes, std::size_t at, const Object& object) const;
  DType read_dtype(const Type& type, const Object& object) const;
  std::span<const std::byte> stored_bytes(const Body& layout, const Object& dataset, uint64_t expected) const;
  Space read_space(std::span<const std::byte> bytes, std::size_t at, const Object& object) const;
  std::vector<std::string> read_texts(const Type& type, uint64_t count, std::span<const std::byte> data, std::size_t at,
                                      const Object& object);
  std::string heap_text(std::span<const std::byte> reference, std::size_t at);

  WeightFile file_;
  std::span<const std::byte> bytes_;
  Address root_ = 0;
  uint16_t symbols_k_ = 0, tree_k_ = 0;
  std::unordered_map<Address, Header> headers_;
  std::unordered_map<Address, Links> links_;
  std::unordered_map<Address, std::string> group_paths_;
  std::unordered_map<Address, std::map<uint16_t, std::span<const std::byte>>> collections_;  // of the global heap
  uint64_t spent_ = 0;
  std::size_t text_bytes_ = 0;
};

}  // namespace crossload::hdf5
