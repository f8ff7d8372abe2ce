// The op families, one file each. `add_all_families` is the list of them all.
#pragma once

#include "lower/op_table.h"

namespace crossload::lower {

void add_activation_ops(OpTable& table);
void add_arithmetic_ops(OpTable& table);
void add_attention_ops(OpTable& table);
void add_cast_ops(OpTable& table);
void add_comparison_ops(OpTable& table);
void add_control_flow_ops(OpTable& table);
void add_convolution_ops(OpTable& table);
void add_creation_ops(OpTable& table);
void add_embedding_ops(OpTable& table);
void add_gather_ops(OpTable& table);
void add_linear_ops(OpTable& table);
void add_logic_ops(OpTable& table);
void add_loss_ops(OpTable& table);
void add_normalization_ops(OpTable& table);
void add_padding_ops(OpTable& table);
void add_patches_ops(OpTable& table);
void add_pooling_ops(OpTable& table);
void add_pooling_nd_ops(OpTable& table);
void add_random_ops(OpTable& table);
void add_reduction_ops(OpTable& table);
void add_resize_ops(OpTable& table);
void add_rnn_ops(OpTable& table);
void add_sampling_ops(OpTable& table);
void add_scatter_ops(OpTable& table);
void add_shape_ops(OpTable& table);
void add_slice_ops(OpTable& table);
void add_sort_ops(OpTable& table);
void add_spectral_ops(OpTable& table);
void add_view_ops(OpTable& table);

inline void add_all_families(OpTable& table) {
  add_activation_ops(table);
  add_arithmetic_ops(table);
  add_attention_ops(table);
  add_cast_ops(table);
  add_comparison_ops(table);
  add_control_flow_ops(table);
  add_convolution_ops(table);
  add_creation_ops(table);
  add_embedding_ops(table);
  add_gather_ops(table);
  add_linear_ops(table);
  add_logic_ops(table);
  add_loss_ops(table);
  add_normalization_ops(table);
  add_padding_ops(table);
  add_patches_ops(table);
  add_pooling_ops(table);
  add_pooling_nd_ops(table);
  add_random_ops(table);
  add_reduction_ops(table);
  add_resize_ops(table);
  add_rnn_ops(table);
  add_sampling_ops(table);
  add_scatter_ops(table);
  add_shape_ops(table);
  add_slice_ops(table);
  add_sort_ops(table);
  add_spectral_ops(table);
  add_view_ops(table);
}

}  // namespace crossload::lower
