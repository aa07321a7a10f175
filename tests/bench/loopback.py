"""How fast one TCP connection over loopback is: loopback.py MIB."""

import socket
import sys
import threading
import time

PIECE = bytes(1 << 20)


def main():
    count = int(sys.argv[1])
    listener = socket.create_server(("127.0.0.1", 0))

    def send():
        with socket.create_connection(listener.getsockname()) as sender:
            for _ in range(count):
                sender.sendall(PIECE)

    thread = threading.Thread(target=send)
    thread.start()
    receiver, _ = listener.accept()
    begin = time.monotonic()
    buffer = bytearray(len(PIECE))
    while receiver.recv_into(buffer):
        pass
    print(f"{count / (time.monotonic() - begin):.0f} MiB/s")
    thread.join()


if __name__ == "__main__":
    main()
