// What went wrong, by the name that the words have for it.

export class Failure extends Error {
  /**
   * @param {string} word
   * @param {Record<string, unknown>} [values] that stand in the sentence.
   */
  constructor(word, values = {}) {
    super(word);
    this.name = "Failure";
    this.word = word;
    this.values = values;
  }
}
