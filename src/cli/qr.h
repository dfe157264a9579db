/* qr: a text as a QR code, on a terminal and in a PNG file. libqrencode makes the code. */
#ifndef EDN_CLI_QR_H
#define EDN_CLI_QR_H

#include "cli/term.h"

/* As half blocks, two rows of modules a line: black on white where there are colours, else as blocks for what is light,
 * which a camera reads on a dark terminal (and most on a light one). EDN_E_LIMIT: too long; EDN_E_NOMEM. */
EDN_MUST_USE edn_status edn_cli_qr_put(edn_buf *out, const edn_cli_term *t, const char *text);
/* As a file that its owner alone may read. EDN_E_IO, EDN_E_FULL: `err` names it. */
EDN_MUST_USE edn_status edn_cli_qr_png(const char *path, const char *text, edn_err *err);
/* As SVG, for a page to print: black squares of one unit, a border of four. */
EDN_MUST_USE edn_status edn_cli_qr_svg(edn_buf *out, const char *text);

#endif
