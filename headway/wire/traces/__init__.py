"""Recorded traffic from files: one reader for each format, and how to tell which one a file has.

    azure              TIMESTAMP,ContextTokens,GeneratedTokens          Azure 2023 (conversation, code) and 2024
    burstgpt           Timestamp,[Session ID,Elapsed time,]Model,...    BurstGPT 1.x and 2.0
    mooncake           {"timestamp", "input_length", "output_length", "hash_ids"}, one a line
    servegen           a folder of chunk-1-trace.csv, chunk-1-dataset.json, ...; or the same in two files
    headway            requests.db, the request log of a gateway; headway-sampled: of its rows the fair sample alone
    headway-records    records of a gateway (GET /records) or of `headway bench`, JSON, one a line

Each is read line by line, .gz too; a file never lies in memory whole. A line that cannot be read is a HeadwayError with
file:line, what was found and what to do.
"""

from headway.wire.traces.opening import read_trace, trace_of

__all__ = ["read_trace", "trace_of"]
