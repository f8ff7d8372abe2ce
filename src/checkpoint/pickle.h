// Pickles that hold weights, taken apart without running anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace crossload {

/// What one pickle describes. Calls are kept as they stand, never made: only `collections.OrderedDict` becomes a dict.
class Pickle {
 public:
  enum class Kind : uint8_t {
    kNone,
    kBool,
    kInteger,
    kFloat,
    kText,
    kTuple,
    kList,
    kDict,        // children: key, value, key, value, …
    kGlobal,      // text: `module.name`
    kCall,        // text: what is called; children: the arguments
    kPersistent,  // one child: the identification of something that is stored elsewhere
  };

 private:
  struct Node {
    Kind kind;
    uint32_t children = 0;  // index of the list in lists_; of scalars unused
    int64_t number = 0;     // integers, booleans; texts: index in texts_
  };

 public:
  /// A value inside of its Pickle, which must outlive it.
  class Value {
   public:
    Kind kind() const { return node().kind; }
    bool is(Kind kind) const { return node().kind == kind; }
    /// Of kInteger and kBool; 0 of others.
    int64_t integer() const;
    /// Of kText, kGlobal and kCall; empty of others.
    std::string_view text() const;
    std::size_t size() const;
    /// REQUIRES: i < size().
    Value operator[](std::size_t i) const;
    /// `None`, `an integer`, `a call of torch.x`, …, for messages.
    std::string description() const;

   private:
    friend class Pickle;
    Value(const Pickle* pickle, uint32_t index) : pickle_(pickle), index_(index) {}
    const Node& node() const { return pickle_->nodes_[index_]; }

    const Pickle* pickle_;
    uint32_t index_;
  };

  /// Reads the pickle at the start of `bytes`, which must outlive the result; `where` stands before the offset in
  /// messages. Throws `kBadInput` for opcodes that weights do not need, for globals that `is_allowed` refuses (named as
  /// `module.name`), for anything else that is called, and for more than 8 million values.
  static Pickle read(std::span<const std::byte> bytes, const std::string& where,
                     const std::function<bool(std::string_view)>& is_allowed);

  /// Bytes of the pickle, up to and with its STOP.
  std::size_t size() const { return size_; }
  Value root() const { return {this, root_}; }

 private:
  friend class Unpickler;
  std::vector<Node> nodes_;
  std::vector<std::vector<uint32_t>> lists_;
  std::vector<std::string> texts_;
  std::size_t size_ = 0;
  uint32_t root_ = 0;
};

}  // namespace crossload
