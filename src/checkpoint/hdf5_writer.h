// A new HDF5 file of groups, texts and datasets whose elements are written apart.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor.h"
#include "checkpoint/hdf5_format.h"

namespace crossload::hdf5 {

/// Collects what the file holds, then gives the bytes around the datasets' elements: a superblock before them, groups
/// and headers behind. Groups come into being with what is in them.
class Builder {
 public:
  using Dataset = std::size_t;

  /// A dataset in one piece, not yet in any group. Throws `kBadInput` for a dtype that HDF5 has no common form for.
  Dataset add_dataset(DType dtype, const Dims& dims);
  /// Where its elements go, little-endian in row-major order.
  std::size_t offset_of(Dataset dataset) const { return datasets_[dataset].offset; }
  /// Puts a dataset at a path; several paths may lead to one dataset. Throws `kBadInput` for a path with empty parts
  /// and for one that is taken or leads through another dataset.
  void link(Dataset dataset, std::string_view path);
  /// An attribute that is one text, or a list of texts, ASCII or UTF-8, each at most `kMaxTexts` bytes. An empty list
  /// is one of no float64 numbers, as NumPy makes it. The empty path is the root.
  void set_text(std::string_view group, std::string_view name, const std::string& text);
  void set_texts(std::string_view group, std::string_view name, std::span<const std::string> texts);

  /// Bytes at one offset of the file.
  struct Piece {
    std::size_t offset;
    std::string bytes;
  };
  struct File {
    Piece head, tail;
    std::size_t size() const { return tail.offset + tail.bytes.size(); }
  };
  File finish() const;

  /// The most bytes that one attribute may have, as Keras has it; longer lists go into several.
  static constexpr std::size_t kMaxTexts = 64512;

 private:
  struct Entry {
    std::size_t offset;
    std::size_t size;
    std::string datatype, dataspace;  // the bodies of these messages
    uint32_t links = 0;
  };
  struct Group {
    std::map<std::string, std::unique_ptr<Group>, std::less<>> groups;
    std::map<std::string, Dataset, std::less<>> datasets;
    std::string attributes;  // messages
    uint16_t attribute_count = 0;
  };
  class Tail;

  Group& group_at(std::string_view path);
  void add_attribute(std::string_view group, std::string_view name, const std::string& datatype,
                     const std::string& dataspace, const std::string& data);

  std::vector<Entry> datasets_;
  Group root_;
  std::size_t data_end_ = kSuperblockSize;
};

}  // namespace crossload::hdf5
