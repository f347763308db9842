// Ends with success, and has done nothing.
int main() {
  return 0;
}
