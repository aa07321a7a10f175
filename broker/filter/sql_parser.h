#ifndef MANSIO_BROKER_FILTER_SQL_PARSER_H_
#define MANSIO_BROKER_FILTER_SQL_PARSER_H_

#include <cstddef>
#include <string_view>

#include "absl/status/statusor.h"
#include "broker/filter/sql_program.h"

namespace mansio::broker {

// What an expression may be, so that neither compiling nor evaluating it is ever expensive.
inline constexpr size_t kMaxSqlBytes = 16 * 1024;
inline constexpr size_t kMaxSqlDepth = 64;    // nested parentheses, NOTs and signs
inline constexpr size_t kMaxSqlNames = 64;    // different properties
inline constexpr size_t kMaxSqlSteps = 4096;  // values, comparisons and connectives

// Compiles an SQL92 filter expression. A pure function of its text, which may be any bytes.
//
//   or    := and {OR and}
//   and   := eq {AND eq}
//   eq    := cmp {(= | <>) cmp | IS [NOT] NULL}
//   cmp   := unary {(> | >= | < | <=) unary | [NOT] BETWEEN unary AND unary
//                   | [NOT] IN ('s', …) | [NOT] (CONTAINS | STARTSWITH | ENDSWITH) 's'}
//   unary := {+ | - | NOT} primary
//   primary := literal | property | (or)
//
// (RocketMQ 5 API). NOT binds closest. What cannot have a meaning is refused here and not
// found unknown for every message: order and arithmetic of texts and booleans, comparison of
// different kinds, a whole that is neither true nor false. ILLEGAL_FILTER_EXPRESSION (wire status)
// says at which character and what to write instead.
absl::StatusOr<SqlProgram> CompileSql(std::string_view expression);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_FILTER_SQL_PARSER_H_
