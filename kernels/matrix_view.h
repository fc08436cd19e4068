// A view of a row-major matrix; it owns nothing.
#pragma once

#include <stddef.h>

namespace sain {

/// `rows` x `cols` elements; row r begins at data + r * stride. Empty when rows or cols is zero.
template <class T>
struct MatrixView {
  T* data = nullptr;
  size_t rows = 0;
  size_t cols = 0;
  size_t stride = 0;  // elements from one row to the next, >= cols

  MatrixView() = default;
  MatrixView(T* data_, size_t rows_, size_t cols_) : data(data_), rows(rows_), cols(cols_), stride(cols_) {}
  MatrixView(T* data_, size_t rows_, size_t cols_, size_t stride_)
      : data(data_), rows(rows_), cols(cols_), stride(stride_) {}

  T* row(size_t r) const { return data + r * stride; }
  operator MatrixView<const T>() const { return {data, rows, cols, stride}; }
};

}  // namespace sain
