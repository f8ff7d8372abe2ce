// Rows are data: a rule that needs more than its row says is a function in calls.cc.
#include "port/rules.h"

#include <array>

namespace crossload::port {
namespace {

constexpr CallRule kCallRules[] = {
    // Joining and taking apart
    {"torch.cat(tensors, dim=0)", "tf.concat($tensors, axis=$dim)"},
    {"torch.concat(tensors, dim=0)", "tf.concat($tensors, axis=$dim)"},
    {"torch.stack(tensors, dim=0)", "tf.stack($tensors, axis=$dim)"},
    {"torch.flip(input, dims)", "tf.reverse($input, axis=$dims)"},
    {"Tensor.flip(self, *dims)", "tf.reverse($self, axis=$dims)"},
    {"torch.roll(input, shifts, dims)", "tf.roll($input, shift=$shifts, axis=$dims)"},
    {"torch.unbind(input, dim=0)", "tf.unstack($input, axis=$dim)"},
    {"Tensor.unbind(self, dim=0)", "tf.unstack($self, axis=$dim)"},
    {"Tensor.chunk(self, chunks, dim=0)", "tf.split($self, $chunks, axis=$dim)"},
    {"torch.chunk(input, chunks, dim=0)", "tf.split($input, $chunks, axis=$dim)"},
    {"Tensor.repeat(self, *repeats)", "tf.tile($self, $repeats)"},
    {"torch.repeat_interleave(input, repeats, dim)", "tf.repeat($input, $repeats, axis=$dim)"},
    {"Tensor.repeat_interleave(self, repeats, dim)", "tf.repeat($self, $repeats, axis=$dim)"},
    {"torch.gather(input, dim, index)", "tf.experimental.numpy.take_along_axis($input, $index, axis=$dim)"},
    {"Tensor.gather(self, dim, index)", "tf.experimental.numpy.take_along_axis($self, $index, axis=$dim)"},
    {"torch.index_select(input, dim, index)", "tf.gather($input, $index, axis=$dim)"},
    {"Tensor.index_select(self, dim, index)", "tf.gather($self, $index, axis=$dim)"},
    // Products
    {"torch.bmm(input, mat2)", "tf.matmul($input, $mat2)"},
    {"torch.einsum(equation, *operands)", "tf.einsum($equation, *$operands)"},
    {"torch.baddbmm(input, batch1, batch2, beta=1.0, alpha=1.0)",
     "$beta * $input + $alpha * tf.matmul($batch1, $batch2)"},
    {"Tensor.baddbmm(self, batch1, batch2, beta=1.0, alpha=1.0)",
     "$beta * $self + $alpha * tf.matmul($batch1, $batch2)"},
    {"torch.nn.functional.linear(input, weight)", "tf.matmul($input, $weight, transpose_b=True)"},
    {"torch.nn.functional.linear(input, weight, bias)", "tf.matmul($input, $weight, transpose_b=True) + $bias"},
    {"torch.rsub(input, other)", "$other - $input"},
    {"torch.outer(input, vec2)", "tf.tensordot($input, $vec2, axes=0)"},
    // Shapes
    {"Tensor.unsqueeze(self, dim)", "tf.expand_dims($self, axis=$dim)"},
    {"torch.unsqueeze(input, dim)", "tf.expand_dims($input, axis=$dim)"},
    {"Tensor.squeeze(self)", "tf.squeeze($self)"},
    {"Tensor.squeeze(self, dim)", "tf.squeeze($self, axis=$dim)"},
    {"Tensor.view(self, *shape)", "tf.reshape($self, $shape)"},
    {"Tensor.reshape(self, *shape)", "tf.reshape($self, $shape)"},
    {"torch.reshape(input, shape)", "tf.reshape($input, $shape)"},
    {"Tensor.permute(self, *dims)", "tf.transpose($self, perm=$dims)"},
    {"torch.permute(input, dims)", "tf.transpose($input, perm=$dims)"},
    {"Tensor.contiguous(self)", "$self"},
    {"Tensor.clone(self)", "$self"},
    {"Tensor.detach(self)", "tf.stop_gradient($self)"},
    {"Tensor.dim(self)", "len($self.shape)"},
    {"Tensor.ndimension(self)", "len($self.shape)"},
    {"torch.broadcast_to(input, size)", "tf.broadcast_to($input, $size)"},
    {"torch.tril(input, diagonal=0)", "tril($input, $diagonal)"},
    {"torch.triu(input, diagonal=0)", "triu($input, $diagonal)"},
    {"Tensor.tril(self, diagonal=0)", "tril($self, $diagonal)"},
    {"Tensor.triu(self, diagonal=0)", "triu($self, $diagonal)"},
    // Creation
    {"torch.ones_like(input, dtype=None)", "tf.ones_like($input, dtype=$dtype)"},
    {"torch.zeros_like(input, dtype=None)", "tf.zeros_like($input, dtype=$dtype)"},
    {"torch.full_like(input, fill_value)", "tf.fill(shape_list($input), tf.cast($fill_value, $input.dtype))"},
    {"torch.eye(n, dtype=None)", "tf.eye($n, dtype=$dtype)"},
    {"torch.linspace(start, end, steps)",
     "tf.linspace(tf.cast($start, tf.float32), tf.cast($end, tf.float32), $steps)"},
    {"torch.tensor(data, dtype=None)", "tf.convert_to_tensor($data, dtype=$dtype)"},
    {"torch.empty(*size, dtype=None)", "tf.zeros($size, dtype=$dtype)"},
    {"torch.numel(input)", "tf.size($input)"},
    {"Tensor.numel(self)", "tf.size($self)"},
    {"Tensor.tolist(self)", "$self.numpy().tolist()"},
    // Element by element
    {"Tensor.div(self, other)", "$self / $other"},
    {"Tensor.sub(self, other)", "$self - $other"},
    {"Tensor.floor(self)", "tf.floor($self)"},
    {"Tensor.round(self)", "tf.round($self)"},
    {"Tensor.relu(self)", "tf.nn.relu($self)"},
    {"Tensor.bitwise_or(self, other)", "tf.logical_or($self, $other)"},
    {"Tensor.bitwise_and(self, other)", "tf.logical_and($self, $other)"},
    {"Tensor.logical_or(self, other)", "tf.logical_or($self, $other)"},
    {"torch.clamp(input, min, max)", "tf.clip_by_value($input, $min, $max)"},
    {"torch.clamp(input, min)", "tf.maximum($input, $min)"},
    {"torch.clamp(input, max)", "tf.minimum($input, $max)"},
    {"Tensor.clamp(self, max)", "tf.minimum($self, $max)"},
    {"Tensor.clamp(self, min, max)", "tf.clip_by_value($self, $min, $max)"},
    {"Tensor.masked_fill(self, mask, value)", "tf.where($mask, tf.cast($value, $self.dtype), $self)"},
    {"torch.exp(input)", "tf.exp($input)"},
    {"Tensor.exp(self)", "tf.exp($self)"},
    {"torch.log(input)", "tf.math.log($input)"},
    {"Tensor.log(self)", "tf.math.log($self)"},
    {"torch.sqrt(input)", "tf.sqrt($input)"},
    {"Tensor.sqrt(self)", "tf.sqrt($self)"},
    {"torch.rsqrt(input)", "tf.math.rsqrt($input)"},
    {"Tensor.rsqrt(self)", "tf.math.rsqrt($self)"},
    {"torch.pow(input, exponent)", "tf.pow($input, $exponent)"},
    {"torch.abs(input)", "tf.abs($input)"},
    {"Tensor.abs(self)", "tf.abs($self)"},
    {"torch.sin(input)", "tf.sin($input)"},
    {"Tensor.sin(self)", "tf.sin($self)"},
    {"torch.cos(input)", "tf.cos($input)"},
    {"Tensor.cos(self)", "tf.cos($self)"},
    {"torch.tanh(input)", "tf.tanh($input)"},
    {"Tensor.tanh(self)", "tf.tanh($self)"},
    {"torch.sigmoid(input)", "tf.sigmoid($input)"},
    {"Tensor.sigmoid(self)", "tf.sigmoid($self)"},
    {"torch.relu(input)", "tf.nn.relu($input)"},
    {"torch.erf(input)", "tf.math.erf($input)"},
    {"torch.floor(input)", "tf.floor($input)"},
    {"torch.ceil(input)", "tf.math.ceil($input)"},
    {"torch.round(input)", "tf.round($input)"},
    {"torch.sign(input)", "tf.sign($input)"},
    {"torch.where(condition, input, other)", "tf.where($condition, $input, $other)"},
    {"torch.where(condition)", "tf.unstack(tf.cast(tf.where($condition), tf.int32), axis=1)"},
    {"torch.maximum(input, other)", "tf.maximum($input, $other)"},
    {"torch.minimum(input, other)", "tf.minimum($input, $other)"},
    {"torch.isnan(input)", "tf.math.is_nan($input)"},
    {"torch.isinf(input)", "tf.math.is_inf($input)"},
    {"torch.eq(input, other)", "$input == $other"},
    {"Tensor.eq(self, other)", "$self == $other"},
    {"Tensor.ne(self, other)", "$self != $other"},
    {"Tensor.pow(self, exponent)", "$self ** $exponent"},
    {"Tensor.mul(self, other)", "$self * $other"},
    {"Tensor.add(self, other)", "$self + $other"},
    {"torch.mul(input, other)", "$input * $other"},
    {"torch.add(input, other)", "$input + $other"},
    {"torch.logical_not(input)", "tf.logical_not($input)"},
    {"torch.logical_and(input, other)", "tf.logical_and($input, $other)"},
    {"torch.logical_or(input, other)", "tf.logical_or($input, $other)"},
    // Reductions
    {"torch.mean(input, dim=None, keepdim=None)", "tf.reduce_mean($input, axis=$dim, keepdims=$keepdim)"},
    {"Tensor.mean(self, dim=None, keepdim=None)", "tf.reduce_mean($self, axis=$dim, keepdims=$keepdim)"},
    {"torch.max(input)", "tf.reduce_max($input)"},
    {"Tensor.max(self)", "tf.reduce_max($self)"},
    {"torch.max(input, other)", "tf.maximum($input, $other)"},
    {"torch.min(input, other)", "tf.minimum($input, $other)"},
    {"torch.min(input)", "tf.reduce_min($input)"},
    {"Tensor.min(self)", "tf.reduce_min($self)"},
    {"torch.argmax(input, dim)", "tf.argmax($input, axis=$dim, output_type=tf.int32)"},
    {"Tensor.argmax(self, dim)", "tf.argmax($self, axis=$dim, output_type=tf.int32)"},
    {"Tensor.any(self)", "tf.reduce_any($self)"},
    {"Tensor.all(self)", "tf.reduce_all($self)"},
    {"torch.nn.functional.interpolate(input, size=None, scale_factor=None, mode=\"nearest\", align_corners=None)",
     "interpolate($input, size=$size, scale_factor=$scale_factor, mode=$mode, align_corners=$align_corners)"},
    // Softmax and activations
    {"torch.nn.functional.gelu(input, approximate=\"none\")",
     "tf.nn.gelu($input, approximate=$approximate == \"tanh\")"},
    {"torch.nn.functional.relu(input)", "tf.nn.relu($input)"},
    {"torch.nn.functional.silu(input)", "tf.nn.silu($input)"},
    {"torch.nn.functional.sigmoid(input)", "tf.sigmoid($input)"},
    {"torch.nn.functional.tanh(input)", "tf.tanh($input)"},
    {"torch.nn.functional.softplus(input)", "tf.math.softplus($input)"},
    {"torch.nn.functional.elu(input)", "tf.nn.elu($input)"},
    // The rest, as modeling files use it
    {"torch.argsort(input, dim=-1)", "tf.argsort($input, axis=$dim)"},
    {"Tensor.argsort(self, dim=-1)", "tf.argsort($self, axis=$dim)"},
    {"Tensor.matmul(self, other)", "tf.matmul($self, $other)"},
    {"Tensor.bmm(self, mat2)", "tf.matmul($self, $mat2)"},
    {"Tensor.t(self)", "tf.transpose($self)"},
    {"torch.squeeze(input, dim)", "tf.squeeze($input, axis=$dim)"},
    {"Tensor.expand_as(self, other)", "tf.broadcast_to($self, shape_list($other))"},
    {"Tensor.view_as(self, other)", "tf.reshape($self, shape_list($other))"},
    {"Tensor.new_zeros(self, *sizes)", "tf.zeros($sizes, dtype=$self.dtype)"},
    {"Tensor.new_ones(self, *sizes)", "tf.ones($sizes, dtype=$self.dtype)"},
    {"torch.as_tensor(data, dtype=None)", "tf.convert_to_tensor($data, dtype=$dtype)"},
    {"torch.from_numpy(ndarray)", "tf.convert_to_tensor($ndarray)"},
    {"torch.empty_like(input, dtype=None)", "tf.zeros_like($input, dtype=$dtype)"},
    {"torch.randn(*size, dtype=None)", "tf.random.normal($size, dtype=$dtype)"},
    {"torch.masked_fill(input, mask, value)", "tf.where($mask, tf.cast($value, $input.dtype), $input)"},
    {"torch.all(input)", "tf.reduce_all($input)"},
    {"torch.any(input)", "tf.reduce_any($input)"},
    {"torch.square(input)", "tf.square($input)"},
    {"Tensor.square(self)", "tf.square($self)"},
    {"torch.neg(input)", "-$input"},
    {"torch.div(input, other)", "$input / $other"},
    {"torch.sub(input, other)", "$input - $other"},
    {"torch.ne(input, other)", "$input != $other"},
    {"torch.gt(input, other)", "$input > $other"},
    {"torch.lt(input, other)", "$input < $other"},
    {"torch.ge(input, other)", "$input >= $other"},
    {"torch.le(input, other)", "$input <= $other"},
    {"Tensor.gt(self, other)", "$self > $other"},
    {"Tensor.lt(self, other)", "$self < $other"},
    {"Tensor.ge(self, other)", "$self >= $other"},
    {"Tensor.le(self, other)", "$self <= $other"},
    {"torch.logsumexp(input, dim, keepdim=None)", "tf.reduce_logsumexp($input, axis=$dim, keepdims=$keepdim)"},
    {"Tensor.norm(self, dim=None, keepdim=None)", "tf.norm($self, axis=$dim, keepdims=$keepdim)"},
    {"torch.norm(input, dim=None, keepdim=None)", "tf.norm($input, axis=$dim, keepdims=$keepdim)"},
    {"torch.isfinite(input)", "tf.math.is_finite($input)"},
    {"Tensor.clamp(self, min)", "tf.maximum($self, $min)"},
    {"torch.nn.functional.normalize(input, dim=1)",
     "$input / tf.maximum(tf.norm($input, axis=$dim, keepdims=True), 1e-12)"},
    {"torch.nn.functional.one_hot(tensor, num_classes)", "tf.one_hot($tensor, $num_classes, dtype=tf.int32)"},
    {"torch.nn.functional.log_softmax(input, dim)", "tf.nn.log_softmax($input, axis=$dim)"},
    {"torch.log_softmax(input, dim)", "tf.nn.log_softmax($input, axis=$dim)"},
    {"torch.nn.functional.leaky_relu(input, negative_slope=0.01)", "tf.nn.leaky_relu($input, alpha=$negative_slope)"},
    // Of Transformers
    {"self.get_head_mask(head_mask, num_hidden_layers)", "get_head_mask($head_mask, $num_hidden_layers)"},
    {"self.invert_attention_mask(encoder_attention_mask)",
     "invert_attention_mask($encoder_attention_mask, dtype=tf.float32)"},
    {"self.get_extended_attention_mask(attention_mask, input_shape)",
     "get_extended_attention_mask($attention_mask, $input_shape, self.config.is_decoder, dtype=tf.float32)"},
};

constexpr ModuleRule kModuleRules[] = {
    {"Linear(in_features, out_features, bias=True)",
     "keras.layers.Dense(units=$out_features, use_bias=$bias, kernel_initializer=$init, name=$name)",
     "[None, None, $in_features]"},
    {"Embedding(num_embeddings, embedding_dim, padding_idx=None)",
     "keras.layers.Embedding(input_dim=$num_embeddings, output_dim=$embedding_dim, embeddings_initializer=$init, "
     "name=$name)",
     "None"},
    {"LayerNorm(normalized_shape, eps=1e-5, elementwise_affine=True, bias=True)",
     "keras.layers.LayerNormalization(epsilon=$eps, center=$bias, scale=$elementwise_affine, name=$name)",
     "[None, None, $normalized_shape]"},
    {"Conv2d(in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True)",
     "TFConv2d(filters=$out_channels, kernel_size=$kernel_size, strides=$stride, padding=$padding, "
     "dilation_rate=$dilation, groups=$groups, use_bias=$bias, kernel_initializer=$init, name=$name)",
     "[None, None, None, $in_channels]"},
    {"Conv1d(in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True)",
     "TFConv1d(filters=$out_channels, kernel_size=$kernel_size, strides=$stride, padding=$padding, "
     "dilation_rate=$dilation, groups=$groups, use_bias=$bias, kernel_initializer=$init, name=$name)",
     "[None, None, $in_channels]"},
    {"ConvTranspose2d(in_channels, out_channels, kernel_size, stride=1, padding=0, bias=True)",
     "TFConvTranspose2d(filters=$out_channels, kernel_size=$kernel_size, strides=$stride, padding=$padding, "
     "use_bias=$bias, kernel_initializer=$init, name=$name)",
     "[None, None, None, $in_channels]"},
    {"BatchNorm2d(num_features, eps=1e-5)", "TFBatchNorm(epsilon=$eps, name=$name)",
     "[None, $num_features, None, None]"},
    {"BatchNorm1d(num_features, eps=1e-5)", "TFBatchNorm(epsilon=$eps, name=$name)", "[None, $num_features]"},
    {"GroupNorm(num_groups, num_channels, eps=1e-5)",
     "keras.layers.GroupNormalization(groups=$num_groups, axis=1, epsilon=$eps, name=$name)",
     "[None, $num_channels, None, None]"},
    {"MaxPool2d(kernel_size, stride=None, padding=0)", "TFMaxPool2d($kernel_size, $stride, $padding)", ""},
    {"AvgPool2d(kernel_size, stride=None, padding=0, count_include_pad=True)",
     "TFAvgPool2d($kernel_size, $stride, $padding, count_include_pad=$count_include_pad)", ""},
    {"AvgPool1d(kernel_size, stride=None)",
     "keras.layers.AveragePooling1D($kernel_size, $stride, data_format=\"channels_first\")", ""},
    {"AdaptiveAvgPool1d(output_size)", "TFAdaptiveAvgPool1d($output_size)", ""},
    {"AdaptiveAvgPool2d(output_size)", "TFAdaptiveAvgPool2d($output_size)", ""},
    {"Upsample(size=None, scale_factor=None, mode=\"nearest\", align_corners=None)",
     "TFUpsample(size=$size, scale_factor=$scale_factor, mode=$mode, align_corners=$align_corners)", ""},
    {"LeakyReLU(negative_slope=0.01)", "keras.layers.LeakyReLU(alpha=$negative_slope)", ""},
    {"ReLU6()", "keras.layers.ReLU(max_value=6.0)", ""},
    {"Hardswish()", "keras.layers.Activation(hardswish)", ""},
    {"Dropout(p=0.5)", "keras.layers.Dropout(rate=$p)", ""},
    {"Dropout2d(p=0.5)", "keras.layers.Dropout(rate=$p)", ""},
    {"Identity()", "keras.layers.Activation(\"linear\")", ""},
    {"Tanh()", "keras.layers.Activation(\"tanh\")", ""},
    {"Sigmoid()", "keras.layers.Activation(\"sigmoid\")", ""},
    {"ReLU()", "keras.layers.Activation(\"relu\")", ""},
    {"GELU(approximate=\"none\")",
     "keras.layers.Activation(get_tf_activation(\"gelu_new\") if $approximate == \"tanh\" else \"gelu\")", ""},
    {"SiLU()", "keras.layers.Activation(\"swish\")", ""},
    {"CrossEntropyLoss(ignore_index=None, reduction=None)",
     "TFCrossEntropyLoss(ignore_index=$ignore_index, reduction=$reduction)", ""},
    {"MSELoss()", "TFMSELoss()", ""},
    {"BCEWithLogitsLoss()", "TFBCEWithLogitsLoss()", ""},
    {"Softmax(dim)", "keras.layers.Softmax(axis=$dim)", ""},
};

constexpr Helper kHelpers[] = {
    {"TFOutputEmbeddings", R"(class TFOutputEmbeddings(keras.layers.Dense):
    """Logits over the vocabulary, with a kernel of its own or that of the input embeddings."""

    embeddings_of = None

    def tie_to(self, embeddings):
        # A function, so that Keras does not count the weights twice.
        self.embeddings_of = lambda: embeddings.embeddings

    def build(self, input_shape):
        if self.embeddings_of is None:
            return super().build(input_shape)
        self.built = True
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=[self.units], initializer="zeros")

    def call(self, inputs):
        if self.embeddings_of is None:
            return super().call(inputs)
        logits = tf.matmul(inputs, self.embeddings_of(), transpose_b=True)
        return logits + self.bias if self.use_bias else logits)"},
    {"TFPaddedEmbedding", R"(class TFPaddedEmbedding(keras.layers.Embedding):
    """An embedding whose row `padding_idx` is not trained by the places that hold it, as in PyTorch."""

    def __init__(self, padding_idx=None, **kwargs):
        super().__init__(**kwargs)
        self.padding_idx = padding_idx

    def call(self, inputs):
        embeds = super().call(inputs)
        if self.padding_idx is None:
            return embeds
        is_padding = tf.expand_dims(tf.equal(tf.cast(inputs, tf.int32), self.padding_idx), axis=-1)
        return tf.where(is_padding, tf.stop_gradient(embeds), embeds))"},
    {"interpolate",
     R"(def interpolate(inputs, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """Pictures (batch, channels, height, width) of another size, as PyTorch computes them."""
    old = shape_list(inputs)[2:]
    if size is None:
        factors = scale_factor if isinstance(scale_factor, (list, tuple)) else [scale_factor] * len(old)
        size = [tf.cast(tf.floor(tf.cast(n, tf.float32) * factor), tf.int32) for n, factor in zip(old, factors)]
    else:
        size = list(size) if isinstance(size, (list, tuple)) else [size] * len(old)
        factors = [None] * len(old)
    rows, columns = (
        interpolation_matrix(before, after, factor, mode, align_corners)
        for before, after, factor in zip(old, size, factors)
    )
    return tf.einsum("bchw,ih,jw->bcij", inputs, tf.cast(rows, inputs.dtype), tf.cast(columns, inputs.dtype))


def interpolation_matrix(before, after, factor, mode, align_corners):
    """The weights (after, before) of old positions in new ones, along one axis."""
    old, new = tf.cast(before, tf.float32), tf.cast(after, tf.float32)
    positions = tf.range(new)
    scale = old / new if factor is None else 1.0 / factor
    if mode == "nearest":
        nearest = tf.minimum(tf.cast(tf.floor(positions * scale), tf.int32), before - 1)
        return tf.one_hot(nearest, before)
    if align_corners:
        source = positions * (old - 1) / tf.maximum(new - 1, 1)
    else:
        source = (positions + 0.5) * scale - 0.5
    if mode != "bicubic":
        source = tf.maximum(source, 0.0)
    first = tf.floor(source)
    rest = source - first
    if mode == "bicubic":
        a = -0.75

        def near(x):
            return ((a + 2) * x - (a + 3)) * x * x + 1

        def far(x):
            return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

        weights = {-1: far(rest + 1), 0: near(rest), 1: near(1 - rest), 2: far(2 - rest)}
    else:
        weights = {0: 1 - rest, 1: rest}
    matrix = 0.0
    for offset, weight in weights.items():
        at = tf.clip_by_value(tf.cast(first, tf.int32) + offset, 0, before - 1)
        matrix += weight[:, None] * tf.one_hot(at, before)
    return matrix)"},
    {"take_at", R"(def take_at(tensor, rows, columns):
    """`tensor[rows, columns]`: one vector for each pair of indices, negative ones counted from the end."""
    sizes = shape_list(tensor)
    rows, columns = tf.cast(rows, tf.int32), tf.cast(columns, tf.int32)
    rows, columns = rows + tf.zeros_like(columns), columns + tf.zeros_like(rows)
    rows = tf.where(rows < 0, rows + sizes[0], rows)
    columns = tf.where(columns < 0, columns + sizes[1], columns)
    return tf.gather_nd(tensor, tf.stack([rows, columns], axis=-1)))"},
    {"layer_norm", R"(def layer_norm(inputs, normalized_shape, weight=None, bias=None, epsilon=1e-5):
    """Normalized over the last axes, as many as `normalized_shape` has."""
    count = len(normalized_shape) if isinstance(normalized_shape, (list, tuple)) else 1
    mean, variance = tf.nn.moments(inputs, axes=list(range(-count, 0)), keepdims=True)
    outputs = (inputs - mean) * tf.math.rsqrt(variance + epsilon)
    outputs = outputs if weight is None else outputs * weight
    return outputs if bias is None else outputs + bias)"},
    {"with_value_at", R"(def with_value_at(tensor, index, value, axis: int):
    """`tensor` with `value` (a number, or a tensor without that axis) at one index of an axis."""
    sizes = shape_list(tensor)
    is_there = tf.range(sizes[axis]) == (index % sizes[axis])
    value = tf.cast(value, tensor.dtype)
    if len(value.shape) > 0:
        value = tf.expand_dims(value, axis)
    return tf.where(tf.reshape(is_there, [-1] + [1] * (len(sizes) - 1 - axis)), value, tensor))"},
    {"causal_lm_loss", R"(def causal_lm_loss(logits, labels, vocab_size: int, ignore_index: int = -100):
    """The mean loss of predicting each token from those before it."""
    shift_logits = tf.reshape(logits[..., :-1, :], [-1, vocab_size])
    shift_labels = tf.reshape(labels[..., 1:], [-1])
    return TFCrossEntropyLoss(ignore_index=ignore_index)(shift_logits, shift_labels))"},
    {"sequence_classification_loss", R"(def sequence_classification_loss(labels, pooled_logits, config, logits=None):
    """The loss of `config.problem_type`, which the first labels decide where it is not given."""
    num_labels = config.num_labels
    if config.problem_type is None:
        if num_labels == 1:
            config.problem_type = "regression"
        elif num_labels > 1 and tf.as_dtype(labels.dtype).is_integer:
            config.problem_type = "single_label_classification"
        else:
            config.problem_type = "multi_label_classification"
    if config.problem_type == "regression":
        if num_labels == 1:
            return TFMSELoss()(tf.squeeze(pooled_logits), tf.squeeze(labels))
        return TFMSELoss()(pooled_logits, labels)
    if config.problem_type == "single_label_classification":
        return TFCrossEntropyLoss()(tf.reshape(pooled_logits, [-1, num_labels]), tf.reshape(labels, [-1]))
    return TFBCEWithLogitsLoss()(pooled_logits, labels))"},
    {"question_answering_loss",
     R"(def question_answering_loss(start_logits, end_logits, start_positions, end_positions):
    """The mean of the losses of both ends; positions outside the text do not count."""
    if start_positions is None or end_positions is None:
        return None
    ignored_index = shape_list(start_logits)[1]
    loss_fct = TFCrossEntropyLoss(ignore_index=ignored_index)
    start_positions = tf.clip_by_value(tf.reshape(start_positions, [-1]), 0, ignored_index)
    end_positions = tf.clip_by_value(tf.reshape(end_positions, [-1]), 0, ignored_index)
    return (loss_fct(start_logits, start_positions) + loss_fct(end_logits, end_positions)) / 2)"},
    {"token_classification_loss", R"(def token_classification_loss(logits, labels, config):
    """The mean loss over all tokens whose label counts."""
    return TFCrossEntropyLoss()(tf.reshape(logits, [-1, config.num_labels]), tf.reshape(labels, [-1])))"},
    {"TFCrossEntropyLoss", R"(class TFCrossEntropyLoss:
    """The mean over the labels that are not `ignore_index`, of shape (1,); classes are the second axis."""

    def __init__(self, ignore_index=-100, reduction="mean"):
        self.ignore_index, self.reduction = ignore_index, reduction

    def __call__(self, logits, labels):
        labels = tf.cast(labels, tf.int32)
        if len(logits.shape) > 2:
            logits = tf.experimental.numpy.moveaxis(logits, 1, -1)
        is_counted = labels != self.ignore_index
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.where(is_counted, labels, tf.zeros_like(labels)), logits=logits
        )
        counted = tf.cast(is_counted, losses.dtype)
        if self.reduction == "none":
            return losses * counted
        total = tf.reduce_sum(losses * counted)
        return tf.reshape(total if self.reduction == "sum" else total / tf.reduce_sum(counted), [1]))"},
    {"TFMSELoss", R"(class TFMSELoss:
    """The mean of squared differences, of shape (1,)."""

    def __call__(self, logits, labels):
        return tf.reshape(tf.reduce_mean(tf.square(logits - tf.cast(labels, logits.dtype))), [1]))"},
    {"TFBCEWithLogitsLoss", R"(class TFBCEWithLogitsLoss:
    """The mean binary cross entropy of each logit, of shape (1,)."""

    def __call__(self, logits, labels):
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.cast(labels, logits.dtype), logits=logits)
        return tf.reshape(tf.reduce_mean(losses), [1]))"},
    {"get_head_mask", R"(def get_head_mask(head_mask, num_hidden_layers: int):
    """One mask a layer, to be multiplied with attention probabilities."""
    if head_mask is None:
        return [None] * num_hidden_layers
    head_mask = tf.convert_to_tensor(head_mask)
    if len(head_mask.shape) == 1:
        head_mask = tf.repeat(head_mask[None, None, :, None, None], num_hidden_layers, axis=0)
    elif len(head_mask.shape) == 2:
        head_mask = head_mask[:, None, :, None, None]
    return head_mask)"},
    {"invert_attention_mask", R"(def invert_attention_mask(encoder_attention_mask, dtype):
    """Zeros where attention goes, the lowest number elsewhere, to be added to attention scores."""
    if len(encoder_attention_mask.shape) == 3:
        mask = encoder_attention_mask[:, None, :, :]
    else:
        mask = encoder_attention_mask[:, None, None, :]
    return (1.0 - tf.cast(mask, dtype)) * dtype.min)"},
    {"get_extended_attention_mask",
     R"(def get_extended_attention_mask(attention_mask, input_shape, is_decoder: bool, dtype):
    """Zeros where attention goes, the lowest number elsewhere, broadcastable to attention scores."""
    if len(attention_mask.shape) == 3:
        mask = attention_mask[:, None, :, :]
    elif is_decoder:
        batch_size, seq_length = input_shape
        key_length = shape_list(attention_mask)[1]
        # A query sees the keys of the past and those up to its own position.
        positions = tf.range(seq_length)[:, None] + (key_length - seq_length)
        causal_mask = tf.cast(tf.range(key_length)[None, :] <= positions, attention_mask.dtype)
        mask = causal_mask[None, None, :, :] * attention_mask[:, None, None, :]
    else:
        mask = attention_mask[:, None, None, :]
    return (1.0 - tf.cast(mask, dtype)) * dtype.min)"},
    {"_prepare_4d_causal_attention_mask",
     R"(def _prepare_4d_causal_attention_mask(
    attention_mask, input_shape, inputs_embeds, past_key_values_length, sliding_window=None
):
    """Zeros where a token may look (not later, not padded, not further back than the window), the lowest number elsewhere."""
    dtype = inputs_embeds.dtype
    batch_size, seq_length = input_shape
    positions = tf.range(seq_length)[:, None] + past_key_values_length
    keys = tf.range(seq_length + past_key_values_length)[None, :]
    is_visible = keys <= positions
    if sliding_window is not None:
        is_visible = tf.logical_and(is_visible, keys >= positions - sliding_window)
    is_visible = tf.broadcast_to(is_visible, [batch_size, 1, seq_length, seq_length + past_key_values_length])
    if attention_mask is not None:
        is_visible = tf.logical_and(is_visible, tf.cast(attention_mask, tf.bool)[:, None, None, :])
    return tf.where(is_visible, tf.zeros([], dtype), dtype.min))"},
    {"_prepare_4d_attention_mask", R"(def _prepare_4d_attention_mask(mask, dtype, tgt_len=None):
    """Zeros where attention goes, the lowest number elsewhere, for each of the `tgt_len` queries."""
    batch_size, src_len = shape_list(mask)
    mask = tf.broadcast_to(mask[:, None, None, :], [batch_size, 1, src_len if tgt_len is None else tgt_len, src_len])
    return tf.where(tf.cast(mask, dtype) == 1.0, tf.zeros([], dtype), dtype.min))"},
    {"pad", R"(def pad(inputs, sizes, value=0):
    """Values before and after, given in pairs from the last axis on; negative sizes cut."""
    pairs = [(0, 0)] * (len(inputs.shape) - len(sizes) // 2) + list(zip(sizes[-2::-2], sizes[-1::-2]))
    cut = [slice(max(-low, 0), min(high, 0) or None) if isinstance(low, int) and isinstance(high, int) else slice(None)
           for low, high in pairs]
    added = [[n if tf.is_tensor(n) else max(n, 0) for n in pair] for pair in pairs]
    return tf.pad(inputs[tuple(cut)], added, constant_values=tf.cast(value, inputs.dtype)))"},
    {"TFConv2d", R"(class TFConv2d(keras.layers.Conv2D):
    """A convolution of pictures (batch, channels, height, width), with zeros on both sides as PyTorch has them."""

    def __init__(self, padding=0, **kwargs):
        super().__init__(padding="valid", **kwargs)
        self.zeros = (padding, padding) if isinstance(padding, int) else tuple(padding)

    def build(self, input_shape):
        super().build(input_shape)
        self.input_spec = None  # channels come second

    def call(self, inputs):
        height, width = self.zeros
        inputs = tf.pad(inputs, [[0, 0], [0, 0], [height, height], [width, width]])
        outputs = super().call(tf.transpose(inputs, perm=[0, 2, 3, 1]))
        return tf.transpose(outputs, perm=[0, 3, 1, 2]))"},
    {"TFConv1d", R"(class TFConv1d(keras.layers.Conv1D):
    """A convolution of sequences (batch, channels, length), with zeros on both sides as PyTorch has them."""

    def __init__(self, padding=0, **kwargs):
        super().__init__(padding="valid", **kwargs)
        self.zeros = padding if isinstance(padding, int) else padding[0]

    def build(self, input_shape):
        super().build(input_shape)
        self.input_spec = None  # channels come second

    def call(self, inputs):
        inputs = tf.pad(inputs, [[0, 0], [0, 0], [self.zeros, self.zeros]])
        outputs = super().call(tf.transpose(inputs, perm=[0, 2, 1]))
        return tf.transpose(outputs, perm=[0, 2, 1]))"},
    {"TFConvTranspose2d", R"(class TFConvTranspose2d(keras.layers.Conv2DTranspose):
    """A transposed convolution of pictures (batch, channels, height, width), cut on both sides as PyTorch does."""

    def __init__(self, padding=0, **kwargs):
        super().__init__(padding="valid", **kwargs)
        self.cut = (padding, padding) if isinstance(padding, int) else tuple(padding)

    def build(self, input_shape):
        super().build(input_shape)
        self.input_spec = None  # channels come second

    def call(self, inputs):
        outputs = super().call(tf.transpose(inputs, perm=[0, 2, 3, 1]))
        height, width = shape_list(outputs)[1:3]
        rows, columns = self.cut
        outputs = outputs[:, rows : height - rows, columns : width - columns]
        return tf.transpose(outputs, perm=[0, 3, 1, 2]))"},
    {"TFBatchNorm", R"(class TFBatchNorm(keras.layers.BatchNormalization):
    """Batch normalization over the second axis, with PyTorch's momentum."""

    def __init__(self, epsilon=1e-5, **kwargs):
        super().__init__(axis=1, epsilon=epsilon, momentum=0.9, fused=False, **kwargs))"},
    {"TFMaxPool2d", R"(class TFMaxPool2d(keras.layers.Layer):
    """The largest value of each window of pictures (batch, channels, height, width)."""

    def __init__(self, kernel_size, stride=None, padding=0, **kwargs):
        super().__init__(**kwargs)
        self.window, self.stride = pair_of(kernel_size), pair_of(kernel_size if stride is None else stride)
        self.padding = pair_of(padding)

    def call(self, inputs):
        zeros = [[0, 0], [0, 0], [self.padding[0]] * 2, [self.padding[1]] * 2]
        inputs = tf.pad(inputs, zeros, constant_values=inputs.dtype.min)
        outputs = tf.nn.max_pool2d(tf.transpose(inputs, perm=[0, 2, 3, 1]), self.window, self.stride, "VALID")
        return tf.transpose(outputs, perm=[0, 3, 1, 2]))"},
    {"TFAvgPool2d", R"(class TFAvgPool2d(keras.layers.Layer):
    """The mean of each window of pictures (batch, channels, height, width)."""

    def __init__(self, kernel_size, stride=None, padding=0, count_include_pad=True, **kwargs):
        super().__init__(**kwargs)
        self.window, self.stride = pair_of(kernel_size), pair_of(kernel_size if stride is None else stride)
        self.padding, self.count_include_pad = pair_of(padding), count_include_pad

    def pool(self, inputs):
        inputs = tf.pad(inputs, [[0, 0], [0, 0], [self.padding[0]] * 2, [self.padding[1]] * 2])
        outputs = tf.nn.avg_pool2d(tf.transpose(inputs, perm=[0, 2, 3, 1]), self.window, self.stride, "VALID")
        return tf.transpose(outputs, perm=[0, 3, 1, 2])

    def call(self, inputs):
        if self.count_include_pad or self.padding == (0, 0):
            return self.pool(inputs)
        return self.pool(inputs) / self.pool(tf.ones_like(inputs)))"},
    {"TFAdaptiveAvgPool1d", R"(class TFAdaptiveAvgPool1d(keras.layers.Layer):
    """The mean of `output_size` windows of sequences (batch, channels, length)."""

    def __init__(self, output_size, **kwargs):
        super().__init__(**kwargs)
        self.output_size = output_size

    def call(self, inputs):
        return tf.einsum("bcl,il->bci", inputs, pooling_matrix(shape_list(inputs)[-1], self.output_size, inputs.dtype)))"},
    {"TFAdaptiveAvgPool2d", R"(class TFAdaptiveAvgPool2d(keras.layers.Layer):
    """The mean of windows of pictures (batch, channels, height, width), `output_size` along each side."""

    def __init__(self, output_size, **kwargs):
        super().__init__(**kwargs)
        self.output_size = pair_of(output_size)

    def call(self, inputs):
        rows, columns = (
            pooling_matrix(before, after, inputs.dtype)
            for before, after in zip(shape_list(inputs)[2:], self.output_size)
        )
        return tf.einsum("bchw,ih,jw->bcij", inputs, rows, columns))"},
    {"pooling_matrix", R"(def pooling_matrix(before, after, dtype):
    """The weights (after, before) of old positions in windows of nearly equal size, which may overlap."""
    starts = tf.range(after) * before // after
    ends = -(-(tf.range(1, after + 1) * before) // after)
    positions = tf.range(before)[None, :]
    inside = tf.cast((positions >= starts[:, None]) & (positions < ends[:, None]), dtype)
    return inside / tf.reduce_sum(inside, axis=1, keepdims=True))"},
    {"TFUpsample", R"(class TFUpsample(keras.layers.Layer):
    """Pictures (batch, channels, height, width) of another size."""

    def __init__(self, size=None, scale_factor=None, mode="nearest", align_corners=None, **kwargs):
        super().__init__(**kwargs)
        self.given = {"size": size, "scale_factor": scale_factor, "mode": mode, "align_corners": align_corners}

    def call(self, inputs):
        return interpolate(inputs, **self.given))"},
    {"pair_of", R"(def pair_of(value):
    """One number for both sides, or two."""
    return (value, value) if isinstance(value, int) else tuple(value))"},
    {"hardswish", R"(def hardswish(inputs):
    return inputs * tf.nn.relu6(inputs + 3.0) / 6.0)"},
    {"TFSequential", R"(class TFSequential(keras.layers.Layer):
    """Layers one after another, named by their numbers as PyTorch names them."""

    def __init__(self, layers, **kwargs):
        super().__init__(**kwargs)
        self.layers = list(layers)

    def __getitem__(self, index):
        return self.layers[index]

    def __iter__(self):
        return iter(self.layers)

    def __len__(self):
        return len(self.layers)

    def build(self, input_shapes):
        if self.built:
            return
        self.built = True
        for layer, shape in zip(self.layers, input_shapes or [None] * len(self.layers)):
            with tf.name_scope(layer.name):
                layer.build(shape)

    def call(self, inputs, training=False):
        for layer in self.layers:
            takes_training = "training" in inspect.signature(layer.call).parameters
            inputs = layer(inputs, training=training) if takes_training else layer(inputs)
        return inputs)"},
    {"split_by", R"(def split_by(tensor, size: int, axis: int = 0):
    """Pieces of `size` along an axis, the last one with what is left."""
    total = shape_list(tensor)[axis]
    rest = [total % size] if total % size else []
    return tf.split(tensor, [size] * (total // size) + rest, axis=axis))"},
    {"flatten", R"(def flatten(tensor, start_dim: int, end_dim: int = -1):
    """The axes from `start_dim` to `end_dim` as one."""
    sizes = shape_list(tensor)
    end = end_dim % len(sizes) + 1
    return tf.reshape(tensor, sizes[:start_dim] + [math.prod(sizes[start_dim:end])] + sizes[end:]))"},
    {"expand", R"(def expand(tensor, sizes):
    """Broadcast to `sizes`, where -1 keeps the size that is there."""
    own = shape_list(tensor)
    own = [1] * (len(sizes) - len(own)) + own
    kept = [old if isinstance(new, int) and new == -1 else new for old, new in zip(own, sizes)]
    return tf.broadcast_to(tensor, kept))"},
    {"activation_of", R"(def activation_of(name: str):
    """The activation that PyTorch knows under this name."""
    tf_names = {"gelu_pytorch_tanh": "gelu_new", "gelu_python": "gelu"}
    return get_tf_activation(tf_names.get(name, name)))"},
    {"tril", R"(def tril(matrix, diagonal: int = 0):
    """The part on and below a diagonal, zeros elsewhere; sizes may be unknown."""
    rows, columns = shape_list(matrix)[-2:]
    is_kept = tf.range(columns)[None, :] <= tf.range(rows)[:, None] + diagonal
    return tf.where(is_kept, matrix, tf.zeros_like(matrix)))"},
    {"triu", R"(def triu(matrix, diagonal: int = 0):
    """The part on and above a diagonal, zeros elsewhere; sizes may be unknown."""
    rows, columns = shape_list(matrix)[-2:]
    is_kept = tf.range(columns)[None, :] >= tf.range(rows)[:, None] + diagonal
    return tf.where(is_kept, matrix, tf.zeros_like(matrix)))"},
    {"TFDynamicCache", R"(class TFDynamicCache:
    """Keys and values of each layer, which grow with each call; goes in and out as a tuple of pairs."""

    def __init__(self):
        self.key_cache, self.value_cache = [], []

    @classmethod
    def from_legacy_cache(cls, past_key_values):
        cache = cls()
        for layer_idx, (key_states, value_states) in enumerate(past_key_values):
            cache.update(key_states, value_states, layer_idx)
        return cache

    def to_legacy_cache(self):
        return tuple(zip(self.key_cache, self.value_cache))

    def get_seq_length(self, layer_idx: int = 0):
        return shape_list(self.key_cache[layer_idx])[-2] if len(self.key_cache) > layer_idx else 0

    def get_usable_length(self, new_seq_length, layer_idx: int = 0):
        return self.get_seq_length(layer_idx)

    def update(self, key_states, value_states, layer_idx: int, cache_kwargs=None):
        if len(self.key_cache) <= layer_idx:
            self.key_cache.append(key_states)
            self.value_cache.append(value_states)
        else:
            self.key_cache[layer_idx] = tf.concat([self.key_cache[layer_idx], key_states], axis=-2)
            self.value_cache[layer_idx] = tf.concat([self.value_cache[layer_idx], value_states], axis=-2)
        return self.key_cache[layer_idx], self.value_cache[layer_idx])"},
    {"ROPE_INIT_FUNCTIONS", R"(def compute_default_rope_parameters(config, **rope_kwargs):
    """Inverse frequencies of rotary embeddings, and the factor of cosine and sine."""
    if config is None:
        base, dim = rope_kwargs["base"], rope_kwargs["dim"]
    else:
        head_dim = getattr(config, "head_dim", config.hidden_size // config.num_attention_heads)
        base, dim = config.rope_theta, int(head_dim * getattr(config, "partial_rotary_factor", 1.0))
    return 1.0 / (base ** (tf.range(0, dim, 2, dtype=tf.float32) / dim)), 1.0


def compute_linear_scaling_rope_parameters(config, **rope_kwargs):
    """The same for positions that are divided by a factor."""
    factor = rope_kwargs["factor"] if config is None else config.rope_scaling["factor"]
    inv_freq, attention_factor = compute_default_rope_parameters(config, **rope_kwargs)
    return inv_freq / factor, attention_factor


def compute_llama3_parameters(config, **rope_kwargs):
    """The same with low frequencies divided by a factor, high ones kept, and those between blended."""
    inv_freq, attention_factor = compute_default_rope_parameters(config, **rope_kwargs)
    scaling = config.rope_scaling
    factor, low, high = scaling["factor"], scaling["low_freq_factor"], scaling["high_freq_factor"]
    old_length = scaling["original_max_position_embeddings"]
    wavelen = 2 * math.pi / inv_freq
    smooth = (old_length / wavelen - low) / (high - low)
    smoothed = (1 - smooth) * inv_freq / factor + smooth * inv_freq
    scaled = tf.where(wavelen > old_length / low, inv_freq / factor, inv_freq)
    is_between = tf.logical_and(wavelen >= old_length / high, wavelen <= old_length / low)
    return tf.where(is_between, smoothed, scaled), attention_factor


ROPE_INIT_FUNCTIONS = {
    "default": compute_default_rope_parameters,
    "linear": compute_linear_scaling_rope_parameters,
    "llama3": compute_llama3_parameters,
})"},
};

}  // namespace

std::span<const CallRule> call_rules() { return kCallRules; }
std::span<const ModuleRule> module_rules() { return kModuleRules; }
std::span<const Helper> helpers() { return kHelpers; }

const std::map<std::string, std::string>& name_rules() {
  static const std::map<std::string, std::string> kRules = {
      {"torch.float32", "tf.float32"},
      {"torch.float", "tf.float32"},
      {"torch.float16", "tf.float16"},
      {"torch.half", "tf.float16"},
      {"torch.bfloat16", "tf.bfloat16"},
      {"torch.float64", "tf.float64"},
      // Sizes and ids are int32 in Transformers' TensorFlow classes.
      {"torch.long", "tf.int32"},
      {"torch.int64", "tf.int32"},
      {"torch.int", "tf.int32"},
      {"torch.int32", "tf.int32"},
      {"torch.bool", "tf.bool"},
      {"torch.uint8", "tf.uint8"},
      {"torch.Tensor", "tf.Tensor"},
      {"torch.LongTensor", "tf.Tensor"},
      {"torch.FloatTensor", "tf.Tensor"},
      {"torch.BoolTensor", "tf.Tensor"},
      {"torch.IntTensor", "tf.Tensor"},
      {"torch.dtype", "tf.DType"},
      {"torch.Size", "tf.TensorShape"},
      {"torch.nn.Module", "keras.layers.Layer"},
      {"torch.inf", "math.inf"},
      {"Cache", "TFDynamicCache"},
      {"get_activation", "activation_of"},
      {"gelu", "tf.nn.gelu"},
      {"DynamicCache", "TFDynamicCache"},
  };
  return kRules;
}

const std::map<std::string, std::string>& import_rules() {
  static const std::map<std::string, std::string> kRules = {
      {"get_tf_activation", "transformers.activations_tf"},
      {"shape_list", "transformers.tf_utils"},
      {"stable_softmax", "transformers.tf_utils"},
      {"ModelOutput", "transformers.utils"},
      {"dataclass", "dataclasses"},
      {"TFPreTrainedModel", "transformers.modeling_tf_utils"},
      {"get_initializer", "transformers.modeling_tf_utils"},
      {"keras", "transformers.modeling_tf_utils"},
      {"keras_serializable", "transformers.modeling_tf_utils"},
      {"unpack_inputs", "transformers.modeling_tf_utils"},
  };
  return kRules;
}

const std::map<std::string, std::string>& attribute_rules() {
  static const std::map<std::string, std::string> kRules = {
      {"output", "dense_output"},   {"input", "dense_input"},     {"losses", "loss_layers"},
      {"updates", "update_layers"}, {"weights", "weight_layers"}, {"variables", "variable_layers"},
      {"metrics", "metric_layers"},
  };
  return kRules;
}

const std::map<std::string, std::string>& loss_rules() {
  static const std::map<std::string, std::string> kRules = {
      {"ForCausalLMLoss", "causal_lm_loss"},
      {"ForSequenceClassificationLoss", "sequence_classification_loss"},
      {"ForQuestionAnsweringLoss", "question_answering_loss"},
      {"ForTokenClassification", "token_classification_loss"},
  };
  return kRules;
}

const std::set<std::string>& dropped_methods() {
  static const std::set<std::string> kNames = {"_prune_heads",
                                               "prune_heads",
                                               "_init_weights",
                                               "extra_repr",
                                               "_tie_weights",
                                               "_set_gradient_checkpointing",
                                               "resize_token_embeddings",
                                               "_resize_final_logits_bias",
                                               "_reorder_cache"};
  return kNames;
}

const std::set<std::string>& dropped_calls() {
  static const std::set<std::string> kNames = {"post_init", "warn_if_padding_and_no_attention_mask", "init_weights"};
  return kNames;
}

std::string tf_text(std::string text) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kWords = {{
      {".size()}", ".shape}"},
      {"torch.LongTensor", "tf.Tensor"},
      {"torch.FloatTensor", "tf.Tensor"},
      {"torch.BoolTensor", "tf.Tensor"},
      {"torch.Tensor", "tf.Tensor"},
      {"[`PreTrainedModel`]", "[`TFPreTrainedModel`]"},
      {"[`~PreTrainedModel", "[`~TFPreTrainedModel"},
      {"return_tensors=\"pt\"", "return_tensors=\"tf\""},
      {"\"\"\"PyTorch ", "\"\"\"TensorFlow "},
      {"a PyTorch [torch.nn.Module](https://pytorch.org/docs/stable/nn.html#torch.nn.Module) subclass",
       "a [keras.Model](https://www.tensorflow.org/api_docs/python/tf/keras/Model) subclass"},
  }};
  for (const auto& [from, to] : kWords) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
    }
  }
  return text;
}

}  // namespace crossload::port
