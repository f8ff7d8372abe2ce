#include "verify/diagnosis/causes.h"

namespace crossload::verify {
namespace {

constexpr std::string_view kNorms =
    "aten.layer_norm aten.batch_norm aten.group_norm aten.instance_norm aten.rms_norm aten._native_batch_norm "
    "aten.native_layer_norm aten.native_group_norm aten.native_batch_norm aten._native_batch_norm_legit_no_training "
    "aten.add aten.clamp_min aten.clamp";
constexpr std::string_view kActivations =
    "aten.gelu aten.relu aten.relu6 aten.silu aten.tanh aten.sigmoid aten.leaky_relu aten.elu aten.selu aten.celu "
    "aten.hardswish aten.hardsigmoid aten.hardtanh aten.mish aten.softplus aten.log_sigmoid";
constexpr std::string_view kProducts =
    "aten.linear aten.addmm aten.mm aten.matmul aten.bmm aten.conv1d aten.conv2d aten.conv3d aten.convolution "
    "aten.conv_transpose";
constexpr std::string_view kConvolutions = "aten.conv1d aten.conv2d aten.conv3d aten.convolution aten.conv_transpose";

constexpr CauseRow kRows[] = {
    // Weights as TensorFlow reads them, put into PyTorch's stage; which of their causes it is, the values tell.
    {"weight-value", "weights", ""},
    {"epsilon", "epsilon", kNorms},
    {"batchnorm-statistics", "batch-statistics", "aten.batch_norm aten._native_batch_norm aten.native_batch_norm"},
    {"activation-form", "activation", kActivations},
    {"activation-form", "unary-stage", ""},
    {"attention-scale", "attention-scale", "aten.scaled_dot_product_attention aten.mul aten.div"},
    {"mask", "mask",
     "aten.scaled_dot_product_attention aten.masked_fill aten.where aten.add aten.__and__ aten.bitwise_and "
     "aten.logical_and aten.__or__ aten.bitwise_or aten.logical_or aten.le aten.lt aten.ge aten.gt aten.tril "
     "aten.triu"},
    {"softmax-axis", "softmax-axis", "aten.softmax aten._softmax aten.log_softmax aten.scaled_dot_product_attention"},
    {"normalization-placement", "normalization-axis", "aten.layer_norm aten.rms_norm aten.mean"},
    {"kernel-transposed", "kernel", kProducts},
    {"padding", "padding",
     "aten.conv1d aten.conv2d aten.conv3d aten.convolution aten.max_pool aten.avg_pool aten.pad aten.constant_pad "
     "aten.reflection_pad aten.replication_pad"},
    {"channel-order", "channel-order", "aten.linear aten.conv1d aten.conv2d aten.conv3d aten.convolution"},
    {"position-offset", "position",
     "aten.embedding aten.arange aten.add aten.cumsum aten.slice aten.index_select aten.index aten.gather"},
    {"resize-alignment", "resize", "aten.upsample aten._upsample aten.grid_sampler"},
    {"rotary-layout", "rotary", "aten.cat"},
    {"normalization-placement", "normalization-placement", "aten.layer_norm aten.rms_norm aten.batch_norm"},
    {"weight-not-loaded", "bias-missing",
     "aten.linear aten.addmm aten.conv1d aten.conv2d aten.conv3d aten.convolution"},
    {"precision", "precision", ""},
    {"dropout-on", "dropout", ""},
};

}  // namespace

std::span<const CauseRow> cause_table() { return kRows; }

}  // namespace crossload::verify
